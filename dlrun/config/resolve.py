"""The resolved config: a RunConfig as YAML with every default written out, itself a config that gives an equal one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

from dlrun.config.run_config import RunConfig
from dlrun.config.scalars import write_scalar
from dlrun.registry import Component, Spec

HEADER = "# The config with its defaults, inheritance and overrides written out. It is a config itself.\n"
FIRST_FIELDS = ("type", "name", "inputs")
WIDTH = 100
"""Lists and mappings that fit into so many columns stand in one line."""


def resolved_yaml(config: RunConfig) -> str:
    """Return the YAML text of a config; `load_text` gives an equal config back."""
    return HEADER + yaml_text(plain_spec(config))


def yaml_text(values: Mapping[str, Any]) -> str:
    """Return a mapping of plain values as YAML, its sections apart."""
    sections = []
    for name, value in values.items():
        is_section = isinstance(value, dict) and "type" not in value
        lines = _block(value, 2) if is_section and value else []
        sections.append([f"{name}:", *lines] if lines else _entry(f"{name}:", value, 0))
    text, was_long = "", False
    for lines in sections:
        is_long = len(lines) > 1
        text += ("\n" if is_long or was_long else "") + "\n".join(lines) + "\n"
        was_long = is_long
    return text


def plain_spec(spec: Spec) -> dict[str, Any]:
    """Return a Spec as plain dicts, lists and scalars; fields that are null by default and in fact are left out."""
    fields = type(spec).model_fields
    values = {name: getattr(spec, name) for name in _field_order(type(spec))}
    return {
        name: plain_value(value)
        for name, value in values.items()
        if value is not None or fields[name].get_default() is not None or fields[name].is_required()
    }


def plain_value(value: Any) -> Any:
    """Return a value of a Spec as a config writes it; a component without fields by its bare name."""
    if isinstance(value, Component):
        fields = plain_spec(value)
        return fields["type"] if len(fields) == 1 else fields
    if isinstance(value, Spec):
        return plain_spec(value)
    if isinstance(value, Mapping):
        return {str(name): plain_value(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain_value(item) for item in value]
    return value


@cache
def _field_order(spec: type[Spec]) -> list[str]:
    """Return a Spec's fields: what identifies it, then its own, then those that it shares with its kind."""
    own = [name for cls in spec.__mro__ for name in inspect.get_annotations(cls)]
    ordered = dict.fromkeys([*FIRST_FIELDS, *own]) if issubclass(spec, Component) else spec.model_fields
    return [name for name in ordered if name in spec.model_fields]


def _block(value: dict[str, Any] | list[Any], indent: int) -> list[str]:
    """Return the lines of a mapping or list, one entry or item after another."""
    if isinstance(value, dict):
        entries = [_entry(f"{write_scalar(name)}:", item, indent) for name, item in value.items()]
    else:
        entries = [_entry("-", item, indent) for item in value]
    return [line for lines in entries for line in lines]


def _entry(start: str, value: Any, indent: int) -> list[str]:
    """Return the lines of a key or a dash with its value: one line if that is short enough."""
    line = " " * indent + f"{start} {flow(value)}"
    if len(line) <= WIDTH or not isinstance(value, dict | list) or not value:
        return [line]
    inside = _block(value, indent + 2)
    if start == "-":
        return [" " * indent + "- " + inside[0].lstrip(), *inside[1:]]
    return [" " * indent + start, *inside]


def flow(value: Any) -> str:
    """Return a value in YAML's flow style, in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_scalar(name)}: {flow(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return write_scalar(value)
