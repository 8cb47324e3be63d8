"""Overrides: `path=value` after the file, the value parsed as YAML.

    optimizer.learning_rate=3e-4
    model.layers[2].units=64
    model.layers.encoder.units=64        by the layer's name, inside a repeat as well
    training.early_stopping=null

An override replaces the value at its path; mappings on the way that the file leaves out are made, and a bare name
on the way (`optimizer: adam`) becomes a mapping (`optimizer: {type: adam, ...}`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dlrun.config.document import parse_text
from dlrun.config.node import Entry, Node, describe, named
from dlrun.config.problems import Located, LocatedConfigError, failure, path_text, suggestion
from dlrun.config.source import Source, Span
from dlrun.errors import Path

NAME = "override"
STEP = re.compile(r"(?P<name>[^\s.\[\]=]+)|\[(?P<index>[0-9]{1,9})\]")
PATH_HELP = "a path looks like optimizer.learning_rate, model.layers[2].units or model.layers.NAME.units"


@dataclass(frozen=True)
class Step:
    """A part of an override's path: a field, a list's index, or the name of an item of a list."""

    key: str | int
    span: Span


@dataclass(frozen=True)
class Override:
    """A value and the path at which it is to be set."""

    steps: tuple[Step, ...]
    value: Node


def apply_overrides(root: Node, texts: Iterable[str]) -> tuple[Node, list[Located]]:
    """Return the tree with the overrides applied in their order, and the problems of those that can't be."""
    problems: list[Located] = []
    for rank, text in enumerate(texts, start=1):
        try:
            override, found = parse_override(text, rank)
            problems += found
            root = apply_override(root, override)
        except LocatedConfigError as error:
            problems += error.located
    return root, problems


def apply_override(root: Node, override: Override) -> Node:
    """Return the tree with an override applied. Raises LocatedConfigError where its path leads nowhere."""
    return _set(root, override.steps, override.value, ())


def parse_override(text: str, rank: int = 1) -> tuple[Override, list[Located]]:
    """Read `path=value`. Raises LocatedConfigError at the place in the override."""
    source = Source(NAME, text, rank)
    path, equals, value = text.partition("=")
    if not equals:
        raise failure(Span(source, 1, 1, max(len(text), 1)), f"'{text}' is no override", "write path=value")
    steps = parse_path(source, path)
    if not value.strip():
        raise failure(Span(source, 1, len(path) + 1), "the override has no value", f"{path}=null sets nothing")
    parsed = parse_text(source, " " * (len(path) + 1) + value)
    if parsed is None:
        raise failure(Span(source, 1, len(path) + 2), "the override has no value", f"{path}=null sets nothing")
    if steps[0].key == "extends":
        raise failure(steps[0].span, "'extends' can't be overridden", "give another file to the command")
    return Override(tuple(steps), parsed.root), parsed.problems


def parse_path(source: Source, path: str) -> list[Step]:
    """Read the path that stands at the beginning of a source. Raises LocatedConfigError at what is malformed."""
    steps: list[Step] = []
    position = 0
    while position < len(path) or not steps:
        if steps and path[position] == ".":
            position += 1
        match = STEP.match(path, position)
        follows_dot = position == 0 or path[position - 1] == "."
        if not match or (match["name"] is not None) != follows_dot:
            raise failure(Span(source, 1, position + 1), f"the path '{path}' is malformed here", PATH_HELP)
        key = match["name"] if match["name"] is not None else int(match["index"])
        steps.append(Step(key, Span(source, 1, position + 1, len(match[0]))))
        position = match.end()
    return steps


def _set(node: Node, steps: Sequence[Step], value: Node, path: Path) -> Node:
    """Return `node` with `value` at `steps` below it; `path` leads to `node`."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if node.is_list:
        return _set_in_list(node, steps, value, path)
    if isinstance(step.key, int):
        raise failure(step.span, f"{path_text(path)} is {describe(node)}, not a list")
    if isinstance(node.value, str):
        node = named(node)
    elif node.value is None:
        node = Node({}, step.span)
    elif not node.is_mapping:
        raise failure(step.span, f"{path_text(path)} is {describe(node)} and has no fields")
    entry = node.entries.get(step.key)
    below = entry.node if entry else Node(None, step.span)
    if entry is None and rest and isinstance(rest[0].key, int):
        raise failure(step.span, f"{path_text((*path, step.key))} isn't there, so it has no items")
    return node.with_entry(step.key, Entry(step.span, _set(below, rest, value, (*path, step.key))))


def _set_in_list(node: Node, steps: Sequence[Step], value: Node, path: Path) -> Node:
    step, rest = steps[0], steps[1:]
    if isinstance(step.key, str):
        return _set_by_name(node, steps, value, path)
    if step.key >= len(node.items):
        count = len(node.items)
        has = f"has {count} item{'' if count == 1 else 's'}"
        help = f"the last one is [{count - 1}]" if count else None
        raise failure(step.span, f"{path_text(path)} {has}, there is no [{step.key}]", help)
    return node.with_item(step.key, _set(node.items[step.key], rest, value, (*path, step.key)))


def _set_by_name(node: Node, steps: Sequence[Step], value: Node, path: Path) -> Node:
    step, rest = steps[0], steps[1:]
    key = str(path[-1]) if path else ""
    found = [place for place, name in _named_items(node, key) if name == step.key]
    if len(found) > 1:
        raise failure(step.span, f"{path_text(path)} has {len(found)} items named '{step.key}'", "use an index")
    if not found:
        help = suggestion(str(step.key), {name for _, name in _named_items(node, key)})
        raise failure(
            step.span, f"{path_text(path)} has no item named '{step.key}'", help or "items are named by their 'name'"
        )
    by_index = [Step(part, replace(step.span)) for part in found[0]]
    return _set(node, [*by_index, *rest], value, path)


def _named_items(node: Node, key: str) -> list[tuple[Path, str]]:
    """Return the items of a list that have a name, and those of lists of the same key inside them."""
    found: list[tuple[Path, str]] = []
    for index, item in enumerate(node.items):
        name = item.get("name")
        if name is not None and isinstance(name.value, str):
            found.append(((index,), name.value))
        inner = item.get(key)
        if inner is not None and inner.is_list:
            found += [((index, key, *path), name) for path, name in _named_items(inner, key)]
    return found
