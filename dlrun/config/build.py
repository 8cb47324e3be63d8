"""Normalised trees to Specs: every Spec is validated by itself, so that no mistake hides another."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import ValidationError

from dlrun.config.docs import field_help
from dlrun.config.grammar import Choice, Listing, Record, Shape, Table, fields_of, select
from dlrun.config.messages import expected_component, problems_of
from dlrun.config.node import Node, describe
from dlrun.config.problems import article, nearest, path_text, suggestion
from dlrun.errors import Path, Problem
from dlrun.registry import Component, Spec


class Failed:
    """Stands for a value that isn't there because of a problem, which was reported."""


FAILED = Failed()


class Builder:
    """Builds Specs from nodes; collects `problems`, and all Specs that are sound by their path in `built`."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.built: dict[Path, Spec] = {}

    def build(self, node: Node, shape: Shape) -> Any:
        """Return the value that a node describes, or FAILED."""
        shape = select(shape, node)
        if isinstance(shape, Choice):
            return self._component(node, shape)
        if isinstance(shape, Record):
            return self.record(node, shape.spec)
        if node.is_list:
            return self._list(node, shape)
        if node.is_mapping:
            return self._table(node, shape)
        return node.value

    def _list(self, node: Node, shape: Shape) -> Any:
        if not isinstance(shape, Listing):
            items = [self.build(item, shape) for item in node.items]
        else:
            items = [self.build(item, shape.item(index)) for index, item in enumerate(node.items)]
        if any(item is FAILED for item in items):
            return FAILED
        return tuple(items) if isinstance(shape, Listing) and shape.container is tuple else items

    def _table(self, node: Node, shape: Shape) -> Any:
        inner = shape.value if isinstance(shape, Table) else shape
        values = {_key(name, shape): self.build(entry.node, inner) for name, entry in node.entries.items()}
        return FAILED if any(value is FAILED for value in values.values()) else values

    def _component(self, node: Node, shape: Choice) -> Any:
        registry = shape.registry
        kind, names = registry.kind, ", ".join(registry.names)
        if not node.is_mapping:
            self.problems.append(expected_component(node.path, node, kind, registry.names))
            return FAILED
        chosen = node.get("type")
        if chosen is None:
            return self._report(node.path, f"{path_text(node.path)} has no 'type'", f"one of: {names}")
        if not isinstance(chosen.value, str):
            message = f"{path_text(chosen.path)}: expected the name of {article(kind)}, got {describe(chosen)}"
            return self._report(chosen.path, message, f"one of: {names}")
        if chosen.value not in registry:
            help = suggestion(chosen.value, registry.names, registry.synonyms)
            return self._report(chosen.path, f"unknown {kind} '{chosen.value}'", help)
        return self.record(node, registry[chosen.value])

    def record(self, node: Node, spec: type[Spec]) -> Any:
        """Return a Spec, or FAILED."""
        if not node.is_mapping:
            message = f"{path_text(node.path)}: expected a mapping, got {describe(node)}"
            return self._report(node.path, message, f"its fields are: {', '.join(spec.model_fields)}")
        before = len(self.problems)
        meant = self._unknown_fields(node, spec)
        given = {
            name: self.build(node.entries[name].node, shape)
            for name, shape in fields_of(spec).items()
            if name in node.entries
        }
        values = {name: value for name, value in given.items() if value is not FAILED}
        result = self._validated(node, spec, values, failed=given.keys() - values.keys(), meant=meant)
        if len(self.problems) > before or result is FAILED:
            return FAILED
        self.built[node.path] = result
        return result

    def _unknown_fields(self, node: Node, spec: type[Spec]) -> set[str]:
        """Report keys that are no fields; return the fields that they probably mean, which aren't missing then."""
        free = set(spec.model_fields) - ({"type"} if issubclass(spec, Component) else set())
        meant = set()
        for name in node.entries:
            if name not in spec.model_fields:
                message = f"unknown field '{name}' of {_title(node, spec)}"
                help = suggestion(name, free) or "it has no fields"
                self._report((*node.path, name), message, help, at_key=True)
                meant.add(nearest(name, free) or "")
        return meant

    def _validated(
        self, node: Node, spec: type[Spec], values: dict[str, Any], failed: Collection[str], meant: Collection[str]
    ) -> Any:
        """Return a Spec of these values; report neither fields that `failed` before nor those `meant` by another."""
        try:
            return spec.model_validate(values, strict=True)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        missing = [str(one["loc"][0]) for one in details if one["type"] == "missing" and len(one["loc"]) == 1]
        for name in missing:
            if name not in failed and name not in meant:
                self._report(node.path, f"{_title(node, spec)} needs '{name}'", field_help(spec, (name,)))
        others = [one for one in details if not one["loc"] or one["loc"][0] not in missing]
        self.problems += problems_of(others, node, spec)
        return FAILED

    def _report(self, path: Path, message: str, help: str | None = None, at_key: bool = False) -> Failed:
        self.problems.append(Problem(path, message, help, at_key))
        return FAILED


def _title(node: Node, spec: type[Spec]) -> str:
    """Return what messages call a Spec: a component by its type, anything else by its path."""
    return spec.type_name() if issubclass(spec, Component) else path_text(node.path)


def _key(name: str, shape: Shape) -> str | int:
    wants_integer = isinstance(shape, Table) and shape.key is int
    return int(name) if wants_integer and name.isascii() and name.isdigit() else name
