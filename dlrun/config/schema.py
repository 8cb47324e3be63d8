"""The JSON Schema (draft 2020-12) of a config, for editors: `dlrun schema`.

It accepts what people write rather than what normalisation makes of it: bare names, synonyms, aliases, `repeat`, and
files that `extends` others, whose mappings may leave out what they inherit (but not items of lists, which replace).
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import MaxLen, MinLen
from pydantic import TypeAdapter, WithJsonSchema
from pydantic.fields import FieldInfo

from dlrun.config.docs import field_text, summary
from dlrun.config.extends import KEY as EXTENDS
from dlrun.config.grammar import Either, Leaf, Listing, Record, Shape, Table, aliases_of, shape_of
from dlrun.config.run_config import RunConfig
from dlrun.registry import ChosenBy, Component, Registry, Spec

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BASE = {"type": "string", "description": "The config that this one is a difference to; relative to this file."}


def json_schema() -> Schema:
    """Return the schema of a config file."""
    return schema_of(RunConfig)


def schema_of(spec: type[Spec]) -> Schema:
    """Return the schema of files that hold this Spec, or a part of it with `extends`."""
    generator = _Generator()
    whole = generator.reference(spec, is_part=False)
    part = generator.reference(spec, is_part=True)
    for name in (whole, part):
        generator.definitions[name]["properties"][EXTENDS] = BASE
    return {
        "$schema": DIALECT,
        "title": "dlrun config",
        "description": summary(spec),
        "type": "object",
        "if": {"type": "object", "required": [EXTENDS]},
        "then": _to(part),
        "else": _to(whole),
        "$defs": dict(sorted(generator.definitions.items())),
    }


def _to(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


class _Generator:
    """Collects `definitions`; parts of configs, in which nothing is required, have their own."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def reference(self, spec: type[Spec], is_part: bool, kind: str = "") -> str:
        """Return the name of a Spec's definition."""
        own = f"{kind}.{spec.type_name()}" if issubclass(spec, Component) and kind else spec.__name__
        name = f"part.{own}" if is_part else own
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self._record(spec, is_part)
        return name

    def _record(self, spec: type[Spec], is_part: bool) -> Schema:
        properties = {name: self._field(spec, name, field, is_part) for name, field in spec.model_fields.items()}
        if issubclass(spec, Component):
            properties["type"] = {"const": spec.type_name()}
        aliases = aliases_of(spec)
        for alias, targets in aliases.items():
            schemas = [properties[target] for target in targets]
            properties[alias] = schemas[0] if len(schemas) == 1 else _exact_list(schemas)
        schema: Schema = {
            "type": "object",
            "description": summary(spec),
            "properties": properties,
            "additionalProperties": False,
        }
        if not is_part:
            schema |= _requirements(_required(spec), aliases)
        return schema

    def _field(self, spec: type[Spec], name: str, field: FieldInfo, is_part: bool) -> Schema:
        schema = self.schema(field.annotation, tuple(field.metadata), is_part)
        text = field_text(spec, name)
        return {"description": text, **schema} if text else schema

    def schema(self, annotation: Any, metadata: Sequence[Any], is_part: bool) -> Schema:
        """Return the schema of the values of an annotation."""
        for mark in metadata:
            if isinstance(mark, ChosenBy):
                return _to(self._choice(mark.registry, is_part))
            if isinstance(mark, WithJsonSchema):
                return dict(mark.json_schema or {})
        if _is_plain(shape_of(annotation)):
            return _pydantic_schema(annotation, tuple(metadata))
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self.schema(arguments[0], arguments[1:], is_part)
        if origin is Union or origin is types.UnionType:
            return {"anyOf": [self.schema(argument, (), is_part) for argument in arguments]}
        shape = shape_of(annotation)
        if isinstance(shape, Record):
            return self._mapping_or_text(shape.spec, is_part)
        if isinstance(shape, Table):
            values = self.schema(arguments[1], (), is_part)
            return {"type": "object", "additionalProperties": values} | _length(metadata, "Properties", is_part)
        if isinstance(shape, Listing) and shape.is_uniform:
            return {"type": "array", "items": self.schema(arguments[0], (), False)} | _length(metadata, "Items", False)
        return _exact_list([self.schema(argument, (), False) for argument in arguments])

    def _mapping_or_text(self, spec: type[Spec], is_part: bool) -> Schema:
        mapping = _to(self.reference(spec, is_part))
        if spec.bare_field is None:
            return mapping
        text = self._field(spec, spec.bare_field, spec.model_fields[spec.bare_field], is_part)
        return {"anyOf": [{"type": "string", "description": text.get("description", "")}, mapping]}

    def _choice(self, registry: Registry[Any], is_part: bool) -> str:
        name = f"part.{registry.kind}" if is_part else registry.kind
        if name not in self.definitions:
            self.definitions[name] = {}
            mappings = [self._component(registry, component, is_part) for component in registry]
            spellings = [*registry.names, *sorted(registry.synonyms)]
            bare = [each for each in spellings if is_part or not _required(registry[each])]
            alternatives = [{"enum": bare}, *mappings] if bare else mappings
            self.definitions[name] = {"anyOf": alternatives} if alternatives else {"not": {}}
        return name

    def _component(self, registry: Registry[Any], component: type[Component], is_part: bool) -> Schema:
        name = self.reference(component, is_part, registry.kind)
        own = component.type_name()
        spellings = [own, *sorted(synonym for synonym, target in registry.synonyms.items() if target == own)]
        definition = self.definitions[name]
        definition["properties"] = {**definition["properties"], "type": {"enum": spellings}}
        if not is_part:
            definition["required"] = sorted({"type", *definition.get("required", ())})
        return _to(name)


def _is_plain(shape: Shape) -> bool:
    """Say whether there are no Specs in a shape: then Pydantic knows its schema."""
    if isinstance(shape, Listing):
        return all(_is_plain(item) for item in shape.items)
    if isinstance(shape, Either):
        return all(_is_plain(alternative) for alternative in shape.alternatives)
    return _is_plain(shape.value) if isinstance(shape, Table) else isinstance(shape, Leaf)


@cache
def _cached_schema(annotation: Any, metadata: tuple[Any, ...]) -> Schema:
    return TypeAdapter(Annotated[annotation, *metadata] if metadata else annotation).json_schema()


def _pydantic_schema(annotation: Any, metadata: tuple[Any, ...]) -> Schema:
    return dict(_cached_schema(annotation, metadata))


def _required(spec: type[Spec]) -> list[str]:
    return [name for name, field in spec.model_fields.items() if field.is_required()]


def _requirements(required: Sequence[str], aliases: Mapping[str, tuple[str, ...]]) -> Schema:
    """Return what must be there; a field with aliases under any of its names."""
    plain, either = [], []
    for name in required:
        others = [alias for alias, targets in aliases.items() if name in targets]
        if others:
            either.append({"anyOf": [{"required": [spelling]} for spelling in (name, *others)]})
        else:
            plain.append(name)
    return ({"required": plain} if plain else {}) | ({"allOf": either} if either else {})


def _exact_list(items: list[Schema]) -> Schema:
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}


def _length(metadata: Sequence[Any], what: str, is_part: bool) -> Schema:
    """Return the limits on the length of a list or mapping."""
    schema: Schema = {}
    for mark in metadata:
        if isinstance(mark, MinLen) and not is_part:
            schema[f"min{what}"] = mark.min_length
        if isinstance(mark, MaxLen):
            schema[f"max{what}"] = mark.max_length
    return schema
