"""The grammar of the config language, derived from the Pydantic models.

Annotations become a few shapes: a record (a Spec), a choice (a component of a registry), a list, a table (a mapping
with free keys), alternatives, and leaves, which are Pydantic's own business. Normalisation, validation and the JSON
Schema walk the same shapes, so they can't disagree.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from dlrun.config.node import Node
from dlrun.registry import ChosenBy, Component, Registry, Spec


@dataclass(frozen=True)
class Leaf:
    """Scalars, and whatever else holds no part of a config."""

    annotation: Any


@dataclass(frozen=True)
class Record:
    """A Spec."""

    spec: type[Spec]


@dataclass(frozen=True, eq=False)
class Choice:
    """A component of a registry."""

    registry: Registry[Any]


@dataclass(frozen=True)
class Listing:
    """A list: of the one shape, or of so many items with a shape each. Pydantic is strict about tuples and lists."""

    items: tuple[Shape, ...]
    is_uniform: bool
    container: type[tuple[Any, ...]] | type[list[Any]]

    def item(self, index: int) -> Shape:
        """Return the shape of an item."""
        return self.items[0 if self.is_uniform else min(index, len(self.items) - 1)]


@dataclass(frozen=True)
class Table:
    """A mapping with free keys."""

    key: type
    value: Shape


@dataclass(frozen=True)
class Either:
    """One of several shapes."""

    alternatives: tuple[Shape, ...]


Shape = Leaf | Record | Choice | Listing | Table | Either


def shape_of(annotation: Any) -> Shape:
    """Return the shape of an annotation, `Annotated[Loss, ChosenBy(LOSSES)]` for instance."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _with_metadata(arguments[0], arguments[1:])
    if origin is Union or origin is types.UnionType:
        return _either(arguments)
    if origin is tuple:
        is_uniform = len(arguments) == 2 and arguments[1] is Ellipsis
        items = arguments[:1] if is_uniform else arguments
        return Listing(tuple(shape_of(item) for item in items), is_uniform, tuple)
    if origin is list:
        return Listing((shape_of(arguments[0]),), True, list)
    if origin in (dict, Mapping):
        return Table(arguments[0], shape_of(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return Record(annotation)
    return Leaf(annotation)


def _with_metadata(annotation: Any, metadata: tuple[Any, ...]) -> Shape:
    for mark in metadata:
        if isinstance(mark, ChosenBy):
            return Choice(mark.registry)
    return shape_of(annotation)


def _either(arguments: tuple[Any, ...]) -> Shape:
    """Alternatives of alternatives become alternatives; components side by side become one choice between them."""
    shapes: list[Shape] = []
    for shape in map(shape_of, arguments):
        shapes += shape.alternatives if isinstance(shape, Either) else (shape,)
    components = [shape.spec for shape in shapes if isinstance(shape, Record) and issubclass(shape.spec, Component)]
    if len(components) > 1:
        chosen = Choice(Registry.of("type", components))
        shapes = [chosen, *(shape for shape in shapes if not _is_component(shape))]
    return shapes[0] if len(shapes) == 1 else Either(tuple(shapes))


def _is_component(shape: Shape) -> bool:
    return isinstance(shape, Record) and issubclass(shape.spec, Component)


@cache
def fields_of(spec: type[Spec]) -> Mapping[str, Shape]:
    """Return the shapes of a Spec's fields."""
    return {name: _field_shape(field) for name, field in spec.model_fields.items()}


def _field_shape(field: FieldInfo) -> Shape:
    return _with_metadata(field.annotation, tuple(field.metadata))


@cache
def aliases_of(spec: type[Spec]) -> Mapping[str, tuple[str, ...]]:
    """Return the other spellings of a Spec's fields, inherited ones too; more than one field takes a list."""
    found: dict[str, tuple[str, ...]] = {}
    for cls in reversed(spec.__mro__):
        for alias, target in vars(cls).get("aliases", {}).items():
            found[alias] = (target,) if isinstance(target, str) else tuple(target)
    return {alias: targets for alias, targets in found.items() if alias not in spec.model_fields}


def select(shape: Shape, node: Node) -> Shape:
    """Return the alternative that a value is meant to be; a Leaf of all if none that has parts fits."""
    if not isinstance(shape, Either):
        return shape
    by_name = [alternative for alternative in shape.alternatives if isinstance(alternative, Table)]
    if by_name and node.is_mapping and "type" not in node.entries and _has_choice(shape):
        return by_name[0]
    for alternative in shape.alternatives:
        if _fits(alternative, node, has_text=_takes_text(shape)):
            return alternative
    return Leaf(shape)


def _fits(shape: Shape, node: Node, has_text: bool) -> bool:
    if node.is_list:
        return isinstance(shape, Listing)
    if node.is_mapping:
        return _fits_mapping(shape, node)
    if not isinstance(node.value, str):
        return False
    if isinstance(shape, Choice):
        return node.value in shape.registry or not has_text
    return isinstance(shape, Record) and shape.spec.bare_field is not None and not has_text


def _fits_mapping(shape: Shape, node: Node) -> bool:
    """Say whether a mapping may be meant as this shape; one whose every value is a mapping is a table of records."""
    if isinstance(shape, Table):
        return True
    holds_mappings = bool(node.entries) and all(entry.node.is_mapping for entry in node.entries.values())
    if isinstance(shape, Record):
        return not holds_mappings or any(_takes_mapping(fields_of(shape.spec).get(name)) for name in node.entries)
    return isinstance(shape, Choice)


def _takes_mapping(shape: Shape | None) -> bool:
    """Say whether a mapping may be meant as a field of this shape."""
    if isinstance(shape, Either):
        return any(map(_takes_mapping, shape.alternatives))
    return isinstance(shape, Choice | Record | Table)


def _has_choice(shape: Either) -> bool:
    """Say whether a mapping may be a component, which has a `type`; one without is a table then."""
    return any(isinstance(alternative, Choice) for alternative in shape.alternatives)


def _takes_text(shape: Either) -> bool:
    return any(_is_text(leaf.annotation) for leaf in shape.alternatives if isinstance(leaf, Leaf))


def _is_text(annotation: Any) -> bool:
    is_literal = get_origin(annotation) is Literal
    return annotation is str or (is_literal and any(isinstance(name, str) for name in get_args(annotation)))
