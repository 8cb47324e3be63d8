"""Random Specs of any kind, made from their annotations: for tests that must hold for every component there is."""

from __future__ import annotations

import random
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError

from dlrun.config.grammar import Choice, Listing, Record, Table, shape_of
from dlrun.registry import ChosenBy, Component, Registry, Spec

LEFT_ALONE = ("name", "inputs", "monitor", "freeze", "layers")
"""Fields that refer to other parts of a config."""
NUMBERS = (0, 1, 2, 3, 7, 0.5, 1e-7, 0.1, 123456.789, -2)
TEXTS = ("a", "no", "1e3", "2024-12-31", "two words", "x: y", "", "ä", 'quo"ted', ",", "null")


def random_component(registry: Registry[Any], rng: random.Random) -> Component:
    """A component with random fields, as far as they are valid."""
    found = random_spec(registry[rng.choice(registry.names)], rng)
    assert isinstance(found, Component)
    return found


def random_spec(spec: type[Spec], rng: random.Random) -> Spec:
    """A Spec with random fields: each is tried, and kept if the Spec is still valid with it."""
    fields = {name: field for name, field in spec.model_fields.items() if name not in (*LEFT_ALONE, "type")}
    required = [name for name, field in spec.model_fields.items() if field.is_required()]
    for attempt in range(500):
        extra = [name for name in fields if name not in required and attempt and rng.random() < 0.5]
        values = {name: random_value(spec.model_fields[name], rng) for name in (*required, *extra)}
        if _is_valid(spec, values):
            break
    else:
        raise AssertionError(f"no valid {spec.__name__} was found")
    for name in rng.sample(sorted(fields), rng.randint(0, len(fields))):
        changed = {**values, name: random_value(fields[name], rng)}
        if _is_valid(spec, changed):
            values = changed
    return spec.model_validate(values, strict=True)


def _is_valid(spec: type[Spec], values: dict[str, Any]) -> bool:
    try:
        spec.model_validate(values, strict=True)
    except ValidationError:
        return False
    return True


def random_value(field: Any, rng: random.Random) -> Any:
    """A value of a field's or another annotation; it may break the field's bounds."""
    annotation, metadata = getattr(field, "annotation", field), tuple(getattr(field, "metadata", ()))
    while get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        metadata = (*metadata, *inner)
    for mark in metadata:
        if isinstance(mark, ChosenBy):
            return random_component(mark.registry, rng)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Union or origin is types.UnionType:
        return random_value(rng.choice([argument for argument in arguments if not _is_empty(argument)]), rng)
    if origin is Literal:
        return rng.choice(arguments)
    shape = shape_of(annotation)
    if isinstance(shape, Record):
        return random_spec(shape.spec, rng)
    if isinstance(shape, Listing):
        count = len(arguments) if not shape.is_uniform else 0 if _is_empty(arguments[0]) else rng.randint(0, 3)
        inner_types = arguments if not shape.is_uniform else [arguments[0]] * count
        return shape.container(random_value(each, rng) for each in inner_types)
    if isinstance(shape, Table):
        return {key: random_value(arguments[1], rng) for key in rng.sample(("a", "b c", "no"), rng.randint(0, 2))}
    assert not isinstance(shape, Choice)
    return _random_scalar(annotation, rng)


def _is_empty(annotation: Any) -> bool:
    """Whether there is nothing to choose from."""
    shape = shape_of(annotation)
    return isinstance(shape, Choice) and not shape.registry.names


def _random_scalar(annotation: Any, rng: random.Random) -> Any:
    if annotation is bool:
        return rng.random() < 0.5
    if annotation is int:
        return rng.choice((0, 1, 2, 3, 5, 64, -1))
    if annotation is float:
        return float(rng.choice(NUMBERS))
    return None if annotation is type(None) else rng.choice(TEXTS)
