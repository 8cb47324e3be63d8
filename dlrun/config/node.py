"""The tree of a config in which every value and every key knows its place.

Nodes are immutable, so that aliases, files and overrides can share them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from dlrun.config.scalars import Scalar, read_scalar, write_scalar
from dlrun.config.source import Span
from dlrun.errors import Path


@dataclass(frozen=True, eq=False)
class Node:
    """A value: a scalar, a list of nodes (a tuple here), or a mapping from keys to entries.

    `path` is filled in by normalisation: where the value stands in the whole config.
    """

    value: Scalar | tuple[Node, ...] | Mapping[str, Entry]
    span: Span
    path: Path = ()

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The entries of a mapping; none for anything else."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> tuple[Node, ...]:
        """The items of a list; none for anything else."""
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.value, Mapping)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.value, tuple)

    def get(self, *path: str | int) -> Node | None:
        """Return the node at a path below this one, or None."""
        node: Node | None = self
        for part in path:
            node = None if node is None else node._child(part)
        return node

    def _child(self, part: str | int) -> Node | None:
        if isinstance(part, str):
            entry = self.entries.get(part)
            return entry.node if entry else None
        return self.items[part] if 0 <= part < len(self.items) else None

    def with_entry(self, name: str, entry: Entry) -> Node:
        """Return the mapping with one entry more, or another."""
        return replace(self, value={**self.entries, name: entry})

    def with_item(self, index: int, item: Node) -> Node:
        """Return the list with another item at `index`."""
        return replace(self, value=(*self.items[:index], item, *self.items[index + 1 :]))

    def walk(self) -> Iterator[Node]:
        """Return this node and all below it."""
        yield self
        for entry in self.entries.values():
            yield from entry.node.walk()
        for item in self.items:
            yield from item.walk()


class Entry(NamedTuple):
    """A key of a mapping and its value."""

    key: Span
    node: Node


def named(node: Node) -> Node:
    """Return `{type: name}` for a bare name, in the same place."""
    return replace(node, value={"type": Entry(node.span, node)})


def plain(node: Node) -> Any:
    """Return the tree as plain dicts, lists and scalars."""
    if node.is_mapping:
        return {name: plain(entry.node) for name, entry in node.entries.items()}
    return [plain(item) for item in node.items] if node.is_list else node.value


def describe(node: Node) -> str:
    """Return what a value is, for messages: the string 'abc', the number 3.5, a mapping, null."""
    value = node.value
    if node.is_mapping:
        return "a mapping"
    if node.is_list:
        return "a list" if node.items else "an empty list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"the string '{value if len(value) <= 60 else value[:59] + '…'}'"
    return f"the number {number_text(node)}"


def number_text(node: Node) -> str:
    """Return a number as it is written where it stands; in its normal form if it was reached through an alias."""
    span = node.span
    line = span.source.lines[span.line - 1] if 0 < span.line <= len(span.source.lines) else ""
    written = line[span.column - 1 : span.column - 1 + span.width]
    value = node.value
    assert isinstance(value, int | float | str | None)
    try:
        return written if read_scalar(written) == value else write_scalar(value)
    except ValueError:
        return write_scalar(value)
