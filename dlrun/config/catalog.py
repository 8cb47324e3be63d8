"""What components there are, and what fields they have: the tables of `dlrun layers`, `dlrun losses` and so on."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from pydantic.fields import FieldInfo

from dlrun.config.docs import field_text, summary
from dlrun.config.grammar import Choice, Leaf, Listing, Record, Table, aliases_of, shape_of
from dlrun.config.resolve import flow, plain_value
from dlrun.registry import ChosenBy, Registry, Spec

NAMES = {int: "integer", float: "number", str: "string", bool: "true or false", type(None): "null", Any: "anything"}
COMPARISONS = (
    (Gt, "gt", ">"),
    (Ge, "ge", "≥"),
    (Lt, "lt", "<"),
    (Le, "le", "≤"),
    (MultipleOf, "multiple_of", "multiple of"),
)


@dataclass(frozen=True)
class CatalogRow:
    """A component in a table of its kind."""

    name: str
    summary: str


@dataclass(frozen=True)
class FieldRow:
    """A field of a component. `default` is None where the field is required, and YAML text otherwise."""

    name: str
    type: str
    default: str | None
    constraints: str
    description: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComponentEntry:
    """All that a config's author needs to know of a component."""

    name: str
    description: str
    synonyms: tuple[str, ...]
    fields: tuple[FieldRow, ...]


def catalog(registry: Registry[Any]) -> list[CatalogRow]:
    """Return the components of a registry with a line on each, by name."""
    return [CatalogRow(name, summary(registry[name])) for name in registry.names]


def component_entry(registry: Registry[Any], name: str) -> ComponentEntry:
    """Return what a component is and takes; `name` may be a synonym. Raises KeyError for any other name."""
    component = registry[name]
    synonyms = sorted(synonym for synonym, target in registry.synonyms.items() if target == component.type_name())
    description = inspect.cleandoc(component.__doc__ or "")
    return ComponentEntry(component.type_name(), description, tuple(synonyms), tuple(field_rows(component)))


def field_rows(spec: type[Spec]) -> list[FieldRow]:
    """Return the fields of a Spec, `type` left out: those that are required first."""
    rows = [_field_row(spec, name, field) for name, field in spec.model_fields.items() if not _is_tag(name, field)]
    return sorted(rows, key=lambda row: row.default is not None)


def _is_tag(name: str, field: FieldInfo) -> bool:
    """Say whether a field is the `type` that names a component."""
    return name == "type" and len(get_args(field.annotation)) == 1


def _field_row(spec: type[Spec], name: str, field: FieldInfo) -> FieldRow:
    default = None if field.is_required() else flow(plain_value(field.get_default(call_default_factory=True)))
    aliases = tuple(alias for alias, targets in aliases_of(spec).items() if name in targets)
    marks = tuple(field.metadata)
    return FieldRow(
        name,
        type_text(field.annotation, marks),
        default,
        ", ".join(constraint_texts(marks)),
        field_text(spec, name),
        aliases,
    )


def type_text(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """Return what values a field takes: integer, 'valid' or 'same', list of 2 integers ..."""
    for mark in metadata:
        if isinstance(mark, ChosenBy):
            return mark.registry.kind
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = ", ".join(constraint_texts(arguments[1:]))
        return type_text(arguments[0], arguments[1:]) + (f" {limits}" if limits else "")
    if origin is Union or origin is types.UnionType:
        return _either(type_text(argument) for argument in arguments)
    if origin is Literal:
        return _either(f"'{argument}'" if isinstance(argument, str) else flow(argument) for argument in arguments)
    return _shape_text(annotation, arguments)


def _shape_text(annotation: Any, arguments: tuple[Any, ...]) -> str:
    shape = shape_of(annotation)
    if isinstance(shape, Listing) and not shape.is_uniform:
        same = len(set(arguments)) == 1
        inside = f"{len(arguments)} {_several(arguments[0])}" if same else ", ".join(map(type_text, arguments))
        return f"list of {inside}"
    if isinstance(shape, Listing):
        return f"list of {_several(arguments[0])}"
    if isinstance(shape, Table):
        return f"mapping from names to {_several(arguments[1])}"
    if isinstance(shape, Record):
        return "mapping of " + ", ".join(shape.spec.model_fields)
    assert isinstance(shape, Leaf | Choice)
    return NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _several(annotation: Any) -> str:
    """Return the plural of a type: integers, numbers > 0, layers, string or null."""
    text = type_text(annotation)
    first, space, rest = text.partition(" ")
    return f"{first}s{space}{rest}" if " or " not in text and first.isalpha() else text


def constraint_texts(metadata: Iterable[Any]) -> list[str]:
    """Return the constraints among an annotation's marks: > 0, at least 1 item ..."""
    texts = []
    for mark in metadata:
        if isinstance(mark, FieldInfo):
            texts += constraint_texts(mark.metadata)
        texts += [f"{sign} {getattr(mark, name)}" for kind, name, sign in COMPARISONS if isinstance(mark, kind)]
        if isinstance(mark, MinLen):
            texts.append(f"at least {mark.min_length} long")
        if isinstance(mark, MaxLen):
            texts.append(f"at most {mark.max_length} long")
    return texts


def _either(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(texts))
