"""YAML events to nodes with places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml

from dlrun.config.node import Entry, Node
from dlrun.config.problems import Located, LocatedConfigError
from dlrun.config.scalars import Scalar, read_scalar
from dlrun.config.source import Source, Span
from dlrun.errors import Path, Problem

Event = Any
"""An event of PyYAML, whose stubs leave most of it out."""

LARGEST_TREE = 50_000
"""Values in a tree with its aliases written out: a bound on what a small file can unfold to."""
DEEPEST_TREE = 60


class Composer:
    """Turns the events of one YAML document into nodes; collects `problems` that leave the tree usable."""

    def __init__(self, source: Source, loader: Any) -> None:
        self.problems: list[Located] = []
        self._source = source
        self._loader = loader
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._open_anchors: set[str] = set()
        self._size = 0

    def compose(self, path: Path, depth: int) -> Node:
        """Return the next value. Raises LocatedConfigError if the tree grows too large or deep."""
        event = self._loader.get_event()
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._grow(1, event)
        if depth > DEEPEST_TREE:
            raise self._fatal(event, f"values are nested more than {DEEPEST_TREE} deep")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._report(path, self._span(event), f"the tag '{tag}' isn't allowed in a config", "take it out")
        size_before = self._size - 1
        if event.anchor:
            self._open_anchors.add(event.anchor)
        node = self._value(event, path, depth)
        if event.anchor:
            self._open_anchors.discard(event.anchor)
            self._anchors[event.anchor] = node, self._size - size_before
        return node

    def _value(self, event: Event, path: Path, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return Node(self._scalar(event, path), self._span(event))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, path, depth)
        return self._mapping(event, path, depth)

    def _scalar(self, event: Event, path: Path) -> Scalar:
        text: str = event.value
        if event.style is not None:
            return text
        try:
            return read_scalar(text)
        except ValueError as error:
            self._report(path, self._span(event), str(error))
            return text

    def _sequence(self, event: Event, path: Path, depth: int) -> Node:
        items: list[Node] = []
        while not self._loader.check_event(yaml.SequenceEndEvent):
            items.append(self.compose((*path, len(items)), depth + 1))
        end = self._loader.get_event()
        return Node(tuple(items), self._collection_span(event, end, [item.span for item in items]))

    def _mapping(self, event: Event, path: Path, depth: int) -> Node:
        entries: dict[str, Entry] = {}
        merged: list[Node] = []
        spans: list[Span] = []
        while not self._loader.check_event(yaml.MappingEndEvent):
            is_merge = self._at_merge_key()
            name, key = self._key(path, depth)
            node = self.compose((*path, name), depth + 1)
            spans += key, node.span
            if is_merge:
                merged += self._merge_sources(node, path)
            elif name in entries:
                first = entries[name].key
                self._report((*path, name), key, f"duplicate key '{name}'", f"it stands in line {first.line} already")
            else:
                entries[name] = Entry(key, node)
        for source in merged:
            entries = {**source.entries, **entries}
        return Node(entries, self._collection_span(event, self._loader.get_event(), spans))

    def _at_merge_key(self) -> bool:
        event = self._loader.peek_event()
        return isinstance(event, yaml.ScalarEvent) and event.style is None and event.value == "<<"

    def _key(self, path: Path, depth: int) -> tuple[str, Span]:
        event = self._loader.peek_event()
        node = self.compose(path, depth + 1)
        if isinstance(event, yaml.ScalarEvent):
            return event.value, node.span
        if isinstance(node.value, str):
            return node.value, node.span
        self._report(path, node.span, "a key must be a name")
        return f"line {node.span.line}", node.span

    def _merge_sources(self, node: Node, path: Path) -> list[Node]:
        """Return what `<<` merges in; the first wins over those after it, as YAML's merge type says."""
        sources = node.items if node.is_list else (node,)
        if all(source.is_mapping for source in sources):
            return list(sources)
        self._report(path, node.span, "'<<' merges a mapping, or a list of mappings")
        return []

    def _alias(self, event: Event) -> Node:
        name = event.anchor
        if name in self._open_anchors:
            raise self._fatal(event, f"the value of '&{name}' contains itself")
        if name not in self._anchors:
            raise self._fatal(event, f"there is no anchor '&{name}' before this alias")
        node, size = self._anchors[name]
        self._grow(size, event)
        return replace(node, span=self._span(event))

    def _grow(self, size: int, event: Event) -> None:
        self._size += size
        if self._size > LARGEST_TREE:
            raise self._fatal(event, f"the config has more than {LARGEST_TREE} values, its aliases written out")

    def _span(self, event: Event) -> Span:
        start, end = event.start_mark, event.end_mark
        line_end = len(self._source.lines[start.line].rstrip()) if start.line < len(self._source.lines) else 0
        stop = end.column if end.line == start.line else line_end
        return Span(self._source, start.line + 1, start.column + 1, max(stop - start.column, 1))

    def _collection_span(self, start: Event, end: Event, inside: list[Span]) -> Span:
        """Return the first line of a collection: to its closing bracket, or to the last value in that line."""
        line, column = start.start_mark.line, start.start_mark.column
        stops = [span.column - 1 + span.width for span in inside if span.line == line + 1]
        if end.end_mark.line == line and start.flow_style:
            stops.append(end.end_mark.column)
        return Span(self._source, line + 1, column + 1, max([stop - column for stop in stops] + [1]))

    def _report(self, path: Path, span: Span, message: str, help: str | None = None) -> None:
        self.problems.append(Located(Problem(path, message, help), span))

    def _fatal(self, event: Event, message: str) -> LocatedConfigError:
        return LocatedConfigError([Located(Problem((), message), self._span(event))], self._source.name)
