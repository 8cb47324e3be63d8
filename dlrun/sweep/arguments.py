"""What stands behind `dlrun sweep CONFIG`: values to be varied, told from plain overrides.

optimizer.learning_rate=1e-4,3e-4,1e-3     some values
optimizer.learning_rate=log(1e-4,1e-1)     a range: log(low,high), uniform(low,high), int(low,high[,step])
optimizer.type=choice(adam,sgd)            some values, to be sampled
training.epochs=3                          a plain override of every trial
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dlrun.config.document import parse_text
from dlrun.config.node import Node, describe
from dlrun.config.overrides import NAME, parse_path
from dlrun.config.problems import Located, LocatedConfigError, failure
from dlrun.config.source import Source, Span
from dlrun.config.sweep_config import Int, Log, Uniform
from dlrun.sweep.space import Parameter, Range, Values, text_of

CALL = re.compile(r"\s*(?P<kind>log|uniform|int|choice)\((?P<inside>.*)\)\s*", re.DOTALL)
RANGES: dict[str, type[Uniform] | type[Int]] = {"log": Log, "uniform": Uniform, "int": Int}
UNKNOWN_CALL = re.compile(r"\s*(?P<kind>[A-Za-z_]\w*)\(.*\)\s*", re.DOTALL)
FORMS = "write log(1e-4,1e-1), uniform(0,1), int(8,64,8) or choice(a,b)"
NAMES = {"loguniform": "log", "randint": "int", "range": "int", "float": "uniform", "categorical": "choice"}
"""What other tools call them."""
FIRST_RANK = 1001
"""Parameters come after plain overrides, and those of the command line after the file's: the later one wins."""
OPENING, CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class Piece:
    """A part of a source's line, and the column at which it starts (from 1)."""

    text: str
    column: int


@dataclass(frozen=True)
class Arguments:
    """Parameters, and overrides that are the same for all trials."""

    parameters: tuple[Parameter, ...]
    overrides: tuple[str, ...]


def read_arguments(texts: Sequence[str]) -> Arguments:
    """Tell parameters from overrides. Raises LocatedConfigError at what is malformed, all of it at once."""
    parameters: list[Parameter] = []
    overrides: list[str] = []
    located: list[Located] = []
    for rank, text in enumerate(texts, start=FIRST_RANK):
        try:
            parameter = read_argument(text, rank)
        except LocatedConfigError as error:
            located += error.located
            continue
        if parameter is None:
            overrides.append(text)
        else:
            parameters.append(parameter)
    if located:
        raise LocatedConfigError(located, NAME)
    return Arguments(tuple(parameters), tuple(overrides))


def read_argument(text: str, rank: int) -> Parameter | None:
    """Return the parameter that a `path=values` describes; None for a plain override."""
    path, equals, value = text.partition("=")
    is_call = CALL.fullmatch(value) is not None
    source = Source(NAME, text, rank)
    pieces = list(split(value, len(path) + 2))
    if equals and not is_call and (unknown := UNKNOWN_CALL.fullmatch(value)) is not None:
        _expect_no_range(Span(source, 1, len(path) + 2 + unknown.start("kind"), len(unknown["kind"])), unknown["kind"])
    if not equals or not (is_call or len(pieces) > 1):
        return None
    steps = tuple(parse_path(source, path))
    if steps[0].key in ("extends", "sweep"):
        raise failure(steps[0].span, f"'{steps[0].key}' can't be varied", "vary fields of the config")
    domain = read_values(source, value, len(path) + 2)
    width = len(value.rstrip())
    return Parameter(path, steps, domain, Span(source, 1, len(path) + 2, width))


def _expect_no_range(span: Span, kind: str) -> None:
    """Raise LocatedConfigError for a range's name that is spelled wrong: it would become the text of an override."""
    near = difflib.get_close_matches(NAMES.get(kind.lower(), kind.lower()), (*RANGES, "choice"), 1, cutoff=0.6)
    if near:
        raise failure(span, f"there is no range {kind!r}", f"did you mean {near[0]}? {FORMS}; quotes make it a text")


def read_values(source: Source, text: str, column: int, line: int = 1) -> Values | Range:
    """Read a list of values or a range that stands in a source. Raises LocatedConfigError."""
    call = CALL.fullmatch(text)
    span = Span(source, line, column, max(1, len(text.rstrip())))
    if call is None:
        return listed(source, list(split(text, column)), line)
    inside = list(split(call["inside"], column + call.start("inside")))
    if call["kind"] == "choice":
        return listed(source, inside, line)
    nodes = [_node(source, piece, line) for piece in inside]
    return make_range(call["kind"], nodes, span)


def make_range(kind: str, nodes: Sequence[Node], span: Span) -> Range:
    """Return the range between numbers. Raises LocatedConfigError where they make none."""
    counts = (2, 3) if kind == "int" else (2,)
    if len(nodes) not in counts:
        form = "int(low, high) or int(low, high, step)" if kind == "int" else f"{kind}(low, high)"
        raise failure(span, f"{kind} takes {' or '.join(map(str, counts))} numbers, got {len(nodes)}", form)
    for node in nodes:
        is_number = isinstance(node.value, int if kind == "int" else int | float) and not isinstance(node.value, bool)
        if not is_number:
            wanted = "whole numbers" if kind == "int" else "numbers"
            raise failure(node.span, f"{kind} takes {wanted}, got {describe(node)}", FORMS)
    names = ("low", "high", "step")
    try:
        spec = RANGES[kind].model_validate(dict(zip(names, [node.value for node in nodes], strict=False)))
    except ValueError as error:
        details = error.errors()[0]["msg"] if hasattr(error, "errors") else str(error)
        raise failure(span, f"{kind}: {details.removeprefix('Value error, ')}", FORMS) from None
    return range_of(spec)


def range_of(spec: Uniform | Int) -> Range:
    """Return the range that a component describes."""
    return Range(spec.type, spec.low, spec.high, spec.step if isinstance(spec, Int) else 1)


def listed(source: Source, pieces: Sequence[Piece], line: int = 1) -> Values:
    """Return values, each a piece of YAML. Raises LocatedConfigError at one that is missing or stands there twice."""
    return values_of([_node(source, piece, line) for piece in pieces])


def values_of(nodes: Sequence[Node]) -> Values:
    """Return values of nodes. Raises LocatedConfigError at one that stands there twice."""
    options: dict[str, Node] = {}
    for node in nodes:
        text = text_of(node)
        if text in options:
            raise failure(node.span, f"the value {text} stands here twice", "each value is tried once: take one out")
        options[text] = node
    return Values(options)


def split(text: str, column: int) -> Iterator[Piece]:
    """Yield what stands between commas outside of brackets and quotes."""
    depth, quote, start = 0, "", 0
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and not text[start:index].strip():
            quote = character
        elif character in OPENING:
            depth += 1
        elif character in CLOSING:
            depth -= 1
        elif character == "," and depth == 0:
            yield Piece(text[start:index], column + start)
            start = index + 1
    yield Piece(text[start:], column + start)


def _node(source: Source, piece: Piece, line: int) -> Node:
    if not piece.text.strip():
        raise failure(Span(source, line, piece.column), "a value is missing here", "write values between commas: 1,2,3")
    parsed = parse_text(source, "\n" * (line - 1) + " " * (piece.column - 1) + piece.text)
    if parsed is None:
        raise failure(Span(source, line, piece.column), "a value is missing here", "write values between commas: 1,2,3")
    if parsed.problems:
        raise LocatedConfigError(parsed.problems, source.name)
    return parsed.root
