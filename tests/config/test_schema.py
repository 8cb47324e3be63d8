"""The JSON Schema accepts what the loader accepts."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from dlrun.config.document import parse_file
from dlrun.config.node import plain
from dlrun.config.resolve import resolved_yaml
from dlrun.config.schema import json_schema, schema_of
from dlrun.config.source import Source
from tests.config.test_load import BASE
from tests.config.test_resolve import random_config
from tests.config.zoo import Zoo

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
ZOO = jsonschema.Draft202012Validator(schema_of(Zoo))


def tree(text: str) -> Any:
    return plain(parse_file(Source("c.yaml", text)).root)


def test_it_is_a_schema() -> None:
    for schema in (json_schema(), schema_of(Zoo)):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert json.loads(json.dumps(schema)) == schema
        assert all(reference in schema["$defs"] for reference in _references(schema))


def _references(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        own = {schema["$ref"].removeprefix("#/$defs/")} if isinstance(schema.get("$ref"), str) else set()
        return own.union(*map(_references, schema.values()))
    return set().union(*map(_references, schema)) if isinstance(schema, list) else set()


def test_the_shortest_config() -> None:
    assert VALIDATOR.is_valid(tree(BASE))


@pytest.mark.parametrize("seed", range(30))
def test_resolved_configs_are_accepted(seed: int) -> None:
    config = random_config(random.Random(seed))
    found = tree(resolved_yaml(config))
    errors = [error.message for error in VALIDATOR.iter_errors(found)]
    assert errors == []


@pytest.mark.parametrize(
    "text",
    [
        "animals: [stone, {type: feline, lives: 3}, Fish, {type: Fish, wet: true}]",
        "animals: [{type: fish, lr: 2, betas: [0.5, 0.25]}]",
        "animals: [{type: fish, friends: [{type: fish, friends: [stone]}]}]",
        "animals: [stone]\nkeeper: Ann\nsize: full\nstar: stone",
        "animals: [stone]\nkeeper: {name: Ann, shifts: {mon: [1, 2]}}\nkeepers: {a: {name: Bob}, b: Bob}",
        "animals: [stone]\nkeeper: null\nsize: 3\nprices: {1: 2.5}",
        "animals: [{type: cat, lives: 1, naps: [1, 2], end: constant}]",
        "extends: other.yaml",
        "extends: other.yaml\nstar: {speed: 3}\nkeeper: {shifts: {}}",
    ],
)
def test_accepted(text: str) -> None:
    assert [error.message for error in ZOO.iter_errors(tree(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "size: 3", "animals: []", "animals: [cat]", "animals: [stoone]", "animals: [{type: cat}]", "animals: stone",
        "animals: [{type: cat, lives: 0}]", "animals: [{type: cat, lives: 1, naps: [1]}]", "animals: [{lives: 1}]",
        "animals: [{type: cat, lives: 1, mood: bad}]", "animals: [{type: fish, betas: [1]}]",
        "animals: [stone]\nsize: ful",
        "animals: [stone]\nsize: 0", "animals: [stone]\nunknown: 1", "animals: [stone]\nkeeper: {}",
        "animals: [stone]\nextends: 5", "extends: a\nanimals: [cat]", "extends: a\nstar: {speed: x}",
        "extends: a\nother: 1",
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    assert not ZOO.is_valid(tree(text))


def test_descriptions_come_from_the_docstrings() -> None:
    definitions = schema_of(Zoo)["$defs"]
    assert definitions["animal.cat"]["description"] == "A cat"
    assert definitions["animal.cat"]["properties"]["lives"]["description"] == "The number of lives that are left."
    assert definitions["animal.fish"]["properties"]["lr"]["description"].startswith("The speed in metres")
