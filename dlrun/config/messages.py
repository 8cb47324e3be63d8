"""Pydantic's errors in the config language's words, one for each place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic_core import ErrorDetails

from dlrun.config.docs import field_help
from dlrun.config.node import Node, describe, number_text
from dlrun.config.problems import article, path_text, suggestion
from dlrun.errors import Path, Problem
from dlrun.registry import Spec

EXPECTED = {
    "int_type": "an integer", "int_from_float": "an integer", "float_type": "a number", "string_type": "a string",
    "bool_type": "true or false", "none_required": "null", "tuple_type": "a list", "list_type": "a list",
    "dict_type": "a mapping", "model_type": "a mapping", "mapping_type": "a mapping", "int_parsing": "an integer",
}  # fmt: skip
"""Errors that say: this is another kind of value."""

BOUNDS = {
    "greater_than": ("greater than", "gt"), "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"), "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}  # fmt: skip

KEY_TAG = "[key]"
"""The last part of Pydantic's `loc` where a mapping's key is wrong."""

LENGTHS = {"too_short": ("at least", "min_length"), "too_long": ("at most", "max_length")}


def problems_of(errors: Sequence[ErrorDetails], node: Node, spec: type[Spec]) -> list[Problem]:
    """Return the problems in a Spec's own fields, in the words of a config.

    The alternatives of a union each raise an error of their own; those that saw another kind of value give way to
    one that took the value and found fault with it.
    """
    by_place: dict[Path, list[ErrorDetails]] = {}
    problems = []
    for error in errors:
        if error["loc"][-1:] == (KEY_TAG,):
            problems.append(_wrong_key(error, node))
        else:
            by_place.setdefault(_place(error["loc"], node), []).append(error)
    for place, found in by_place.items():
        faults = [error for error in found if not _is_mismatch(error)]
        is_inside = any(len(other) > len(place) and other[: len(place)] == place for other in by_place)
        if faults:
            problems.append(_fault(faults, place, node, spec))
        elif not is_inside:
            problems.append(_mismatch(found, place, node, spec))
    return problems


def _place(loc: tuple[str | int, ...], node: Node) -> Path:
    """Return the path below `node` that Pydantic means: its `loc` without the tags of union members."""
    place: Path = ()
    below: Node | None = node
    for depth, part in enumerate(loc):
        if below is not None and below.is_mapping:
            part = str(part)
        child = None if below is None else below.get(part)
        if child is not None or depth == 0:
            place, below = (*place, part), child
    return place


def _wrong_key(error: ErrorDetails, node: Node) -> Problem:
    """Return the problem of a key in a table whose keys are numbers, say."""
    path = (*node.path, *_place(error["loc"][:-1], node))
    expected = EXPECTED.get(error["type"], "another key")
    return Problem(path, f"{path_text(path[:-1])}: expected {expected} as a key, got '{path[-1]}'", at_key=True)


def _is_mismatch(error: ErrorDetails) -> bool:
    return error["type"] in EXPECTED or error["type"] == "literal_error"


def _mismatch(errors: Sequence[ErrorDetails], place: Path, node: Node, spec: type[Spec]) -> Problem:
    """Return what was expected by all alternatives, and what is there."""
    path = (*node.path, *place)
    value = node.get(*place)
    literals = [name for error in errors for name in _literals(error)]
    kinds = dict.fromkeys(EXPECTED[error["type"]] for error in errors if error["type"] in EXPECTED)
    expected = _either([*(f"'{name}'" for name in literals), *kinds])
    got = "nothing" if value is None else describe(value)
    if value is not None and isinstance(value.value, str) and literals:
        help = suggestion(value.value, literals)
        return Problem(path, f"{path_text(path)} must be {expected}, got '{value.value}'", help)
    return Problem(path, f"{path_text(path)}: expected {expected}, got {got}", field_help(spec, place))


def _literals(error: ErrorDetails) -> list[str]:
    if error["type"] != "literal_error":
        return []
    return re.findall(r"'((?:[^'\\]|\\.)*)'", str(error["ctx"]["expected"])) or [str(error["ctx"]["expected"])]


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def _fault(errors: Sequence[ErrorDetails], place: Path, node: Node, spec: type[Spec]) -> Problem:
    """Return what is wrong with a value of the right kind."""
    path = (*node.path, *place)
    value, error = node.get(*place), errors[0]
    if error["type"] == "component_expected":
        return expected_component(path, value, error["ctx"]["kind"], error["ctx"]["names"])
    if error["type"] == "missing" and value is not None:
        wanted = 1 + max(int(each["loc"][-1]) for each in errors)
        message = f"{path_text(path)} must have {_items(wanted)}, got {len(value.items)}"
    else:
        message = _fault_message(error, path_text(path), value)
    return Problem(path, message, field_help(spec, place))


def expected_component(path: Path, value: Node | None, kind: str, names: Sequence[str]) -> Problem:
    """Return the problem of a value that can't be a component."""
    got = "nothing" if value is None else describe(value)
    help = f"write its name, or {{type: name, ...}}; one of: {', '.join(names)}"
    return Problem(path, f"{path_text(path)}: expected {article(kind)}, got {got}", help)


def _fault_message(error: ErrorDetails, text: str, value: Node | None) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in BOUNDS and value is not None:
        words, key = BOUNDS[kind]
        return f"{text} must be {words} {_number(context[key])}, got {number_text(value)}"
    if kind in LENGTHS and value is not None:
        words, key = LENGTHS[kind]
        return f"{text} must have {words} {_items(context[key])}, got {len(value.items or value.entries)}"
    if kind == "string_too_short" and context.get("min_length") == 1:
        return f"{text} must not be empty"
    if kind == "finite_number" and value is not None:
        return f"{text} must be a finite number, got {number_text(value)}"
    if kind in ("value_error", "assertion_error"):
        return f"{text}: {context['error']}"
    message = error["msg"]
    return f"{text}: {message[:1].lower()}{message[1:]}"


def _number(bound: float) -> str:
    return str(int(bound)) if isinstance(bound, float) and bound.is_integer() else str(bound)


def _items(count: int) -> str:
    return f"{count} item{'' if count == 1 else 's'}"
