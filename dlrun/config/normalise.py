"""Other spellings to the one spelling: bare names, synonyms of types, aliases of fields. Places are kept.

Where a field is given under two names, an override wins over the file, and the file over what it extends; within
one of them it is a problem.
"""

from __future__ import annotations

from dataclasses import replace

from dlrun.config.grammar import (
    Choice,
    Listing,
    Record,
    Shape,
    Table,
    aliases_of,
    fields_of,
    select,
)
from dlrun.config.node import Entry, Node, describe, named
from dlrun.config.problems import Located, path_text
from dlrun.errors import Path, Problem
from dlrun.registry import Spec


class Normaliser:
    """Rewrites a tree; `problems` are those of the spellings alone."""

    def __init__(self) -> None:
        self.problems: list[Located] = []

    def normalise(self, node: Node, shape: Shape, path: Path = ()) -> Node:
        """Return the tree in its normal spelling, every node with its path."""
        shape = select(shape, node)
        if isinstance(shape, Choice):
            return self._component(node, shape, path)
        if isinstance(shape, Record):
            return self._record(node, shape.spec, path)
        if node.is_list:
            shapes = [shape.item(index) if isinstance(shape, Listing) else shape for index in range(len(node.items))]
            items = [self.normalise(item, shapes[i], (*path, i)) for i, item in enumerate(node.items)]
            return replace(node, value=tuple(items), path=path)
        if node.is_mapping:
            inner = shape.value if isinstance(shape, Table) else shape
            entries = {
                name: Entry(entry.key, self.normalise(entry.node, inner, (*path, name)))
                for name, entry in node.entries.items()
            }
            return replace(node, value=entries, path=path)
        return replace(node, path=path)

    def _component(self, node: Node, shape: Choice, path: Path) -> Node:
        if isinstance(node.value, str):
            node = named(node)
        chosen = node.get("type")
        if chosen is None or not isinstance(chosen.value, str) or chosen.value not in shape.registry:
            return _with_paths(node, path)
        component = shape.registry[chosen.value]
        canonical = replace(chosen, value=component.type_name())
        node = node.with_entry("type", Entry(node.entries["type"].key, canonical))
        return self._record(node, component, path)

    def _record(self, node: Node, spec: type[Spec], path: Path) -> Node:
        bare = spec.bare_field
        if isinstance(node.value, str) and bare:
            node = replace(node, value={bare: Entry(node.span, node)})
        fields = fields_of(spec)
        entries: dict[str, Entry] = {}
        for name, entry in self._renamed(node, spec, path).items():
            shape = fields.get(name)
            inner = (*path, name)
            below = _with_paths(entry.node, inner) if shape is None else self.normalise(entry.node, shape, inner)
            entries[name] = Entry(entry.key, below)
        return replace(node, value=entries, path=path) if node.is_mapping else _with_paths(node, path)

    def _renamed(self, node: Node, spec: type[Spec], path: Path) -> dict[str, Entry]:
        aliases = aliases_of(spec)
        entries: dict[str, Entry] = {}
        for name, entry in node.entries.items():
            for target, value in self._targets(name, entry, aliases.get(name), path):
                rival = entries.get(target)
                if rival and not self._wins(target, value, rival, path):
                    continue
                entries[target] = value
        return entries

    def _targets(self, name: str, entry: Entry, targets: tuple[str, ...] | None, path: Path) -> list[tuple[str, Entry]]:
        if targets is None:
            return [(name, entry)]
        if len(targets) == 1:
            return [(targets[0], entry)]
        if len(entry.node.items) == len(targets):
            return [(target, Entry(entry.key, item)) for target, item in zip(targets, entry.node.items, strict=True)]
        expected = f"a list of {len(targets)} ({', '.join(targets)})"
        message = f"{path_text((*path, name))}: expected {expected}, got {describe(entry.node)}"
        self.problems.append(Located(Problem((*path, name), message), entry.node.span))
        return []

    def _wins(self, field: str, entry: Entry, rival: Entry, path: Path) -> bool:
        """Say whether `entry` replaces `rival`, which stands before it and gives the same field."""
        rank, rival_rank = entry.key.source.rank, rival.key.source.rank
        if rank == rival_rank:
            message = f"{path_text((*path, field))} is given twice, under two names"
            help = f"the other one stands in line {rival.key.line}"
            self.problems.append(Located(Problem((*path, field), message, help, at_key=True), entry.key))
        return rank > rival_rank


def _with_paths(node: Node, path: Path) -> Node:
    """Return a tree as it is, with its paths."""
    if node.is_list:
        items = tuple(_with_paths(item, (*path, index)) for index, item in enumerate(node.items))
        return replace(node, value=items, path=path)
    if node.is_mapping:
        entries = {n: Entry(entry.key, _with_paths(entry.node, (*path, n))) for n, entry in node.entries.items()}
        return replace(node, value=entries, path=path)
    return replace(node, path=path)
