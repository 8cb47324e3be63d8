"""Texts of YAML to located trees.

PyYAML scans and parses; its events are composed here, because its own composer forgets places, accepts duplicate
keys and resolves scalars by YAML 1.1. Anchors, aliases and merge keys (`<<`) work; tags are refused. Problems that
leave the tree usable (a duplicate key, say) are collected, so that they don't hide others; syntax errors are raised.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from dlrun.config.compose import Composer
from dlrun.config.node import Node
from dlrun.config.problems import Located, LocatedConfigError, failure
from dlrun.config.source import Source, Span
from dlrun.errors import Path, Problem

LARGEST_FILE = 1 << 20
"""Configs are written by people: beyond this many bytes a file is taken for something else."""
NEEDED = "it needs at least: data, model, loss, optimizer"
NOT_A_CONFIG = "a config is a YAML file that people write"


@dataclass(frozen=True)
class Document:
    """The tree of a config and the file that the user named."""

    root: Node
    name: str

    def span(self, path: Path, at_key: bool = False) -> Span:
        """Return the place of the value at `path`, or of its key; of the nearest one above it if there is none."""
        node = self.root
        for depth, part in enumerate(path):
            child = node.get(part)
            if child is None:
                break
            if at_key and depth == len(path) - 1 and isinstance(part, str):
                return node.entries[part].key
            node = child
        return node.span

    def locate(self, problems: Sequence[Problem]) -> LocatedConfigError:
        """Return an error whose problems have their places in this document."""
        located = [Located(problem, self.span(problem.path, problem.at_key)) for problem in problems]
        return LocatedConfigError(located, self.name)


def read_source(name: str, rank: int = 0, blame: Span | None = None) -> tuple[Source, bytes]:
    """Read a file of UTF-8 text. Raises LocatedConfigError at `blame`, or at the file, if it isn't one."""
    empty = Span(blame.source if blame else Source(name, ""), 0, 0)
    place = blame or empty
    content = _read_bytes(name, place)
    if b"\0" in content:
        raise failure(place, f"'{name}' is not a text file", NOT_A_CONFIG)
    try:
        return Source(name, content.decode("utf-8").removeprefix("\ufeff"), rank), content
    except UnicodeDecodeError as error:
        source = Source(name, content.decode("utf-8", errors="replace"), rank)
        raise failure(
            _span_of_offset(source, len(content[: error.start].decode("utf-8"))),
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
        ) from None


def _read_bytes(name: str, place: Span) -> bytes:
    try:
        with open(name, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise failure(place, f"there is no file '{name}'") from None
    except IsADirectoryError:
        raise failure(place, f"'{name}' is a directory", NOT_A_CONFIG) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise failure(place, f"'{name}' can't be read: {reason}") from None
    if len(content) > LARGEST_FILE:
        raise failure(place, f"'{name}' has more than {LARGEST_FILE >> 20} MiB", NOT_A_CONFIG)
    return content


def _span_of_offset(source: Source, offset: int) -> Span:
    before = Source(source.name, source.text[:offset]).lines
    return Span(source, len(before), len(before[-1]) + 1)


@dataclass
class Parsed:
    """A tree and the problems that were found while it was read."""

    root: Node
    problems: list[Located] = field(default_factory=list)


def parse_file(source: Source) -> Parsed:
    """Parse a whole config: one document, a mapping. Raises LocatedConfigError for what leaves no tree."""
    parsed = parse_text(source)
    if parsed is None or parsed.root.value is None:
        raise failure(Span(source, 0, 0), "the config is empty", NEEDED)
    if not parsed.root.is_mapping:
        raise failure(parsed.root.span, "a config is a mapping of fields, such as 'seed: 0'", NEEDED)
    return parsed


def parse_text(source: Source, text: str | None = None) -> Parsed | None:
    """Parse one YAML document; None if there is none. `text` may replace the source's with one of the same places."""
    try:
        loader: Any = yaml.SafeLoader(source.text if text is None else text)
        loader.get_event()
        if loader.check_event(yaml.StreamEndEvent):
            return None
        loader.get_event()
        composer = Composer(source, loader)
        root = composer.compose((), 0)
        loader.get_event()
        _refuse_second_document(source, loader)
    except yaml.reader.ReaderError as error:
        code: Any = error.character  # PyYAML's stubs call it an int or bytes; for text it is an int
        raise failure(
            _span_of_offset(source, error.position), f"the character U+{code:04X} isn't allowed in YAML"
        ) from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(source, error) from None
    return Parsed(root, composer.problems)


def _refuse_second_document(source: Source, loader: Any) -> None:
    event = loader.peek_event()
    if not isinstance(event, yaml.StreamEndEvent):
        span = Span(source, event.start_mark.line + 1, event.start_mark.column + 1, 3)
        raise failure(span, "a second YAML document starts here", "a config is one document: take out the '---'")


EXPLANATIONS = (
    (r"found character '\\t' that cannot start any token", "a tab can't indent YAML", "indent with spaces"),
    (r"mapping values are not allowed here", "a ': ' isn't allowed here", "put a text that contains ': ' in quotes"),
    (r"expected ',' or '([]}])', but got.*", r"expected ',' or '\1' here", "is a comma or a closing bracket missing?"),
    (r"expected <block end>, but found .*", "this doesn't fit in here", "does its indentation match its neighbours'?"),
    (r"could not find expected ':'", "this needs a ':' after its key", "write 'key: value'"),
    (r"found character '(.)' that cannot start any token", r"a value can't start with '\1'", "put it in quotes"),
    (r"found unexpected end of stream", "this string has no end", "close its quotes"),
)
"""PyYAML's messages, what they mean, and ways out."""

STARTS_AT_CONTEXT = ("could not find expected ':'", "found unexpected end of stream")
"""Messages of PyYAML that are noticed far from the mistake: it lies where the surrounding construct starts."""


def _syntax_error(source: Source, error: yaml.MarkedYAMLError) -> LocatedConfigError:
    raw = error.problem or error.context or "it isn't YAML"
    mark = error.context_mark if raw in STARTS_AT_CONTEXT and error.context_mark else error.problem_mark
    span = Span(source, mark.line + 1, mark.column + 1) if mark else Span(source, 0, 0)
    for pattern, message, help in EXPLANATIONS:
        match = re.fullmatch(pattern, raw)
        if match:
            return failure(span, match.expand(message), help)
    return failure(span, f"invalid YAML: {raw}" + (f" ({error.context})" if error.context and error.problem else ""))
