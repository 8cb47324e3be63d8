"""What `dlrun layers` and its like show; and that every component can be shown, documented and built."""

from __future__ import annotations

from typing import Any

import pytest

from dlrun.config.catalog import CatalogRow, catalog, component_entry, field_rows
from dlrun.config.docs import field_text, first_sentence
from dlrun.config.grammar import fields_of
from dlrun.config.repeat import LAYER_CHOICES
from dlrun.config.run_config import RunConfig
from dlrun.config.training_config import CheckpointsConfig, EarlyStopping, TrainingConfig
from dlrun.data.augment import AUGMENTATIONS
from dlrun.data.config import DataConfig
from dlrun.data.sources import SOURCES
from dlrun.data.transforms import TRANSFORMS
from dlrun.losses import LOSSES
from dlrun.metrics import METRICS
from dlrun.optimizers import OPTIMIZERS
from dlrun.registry import Component, Registry, Spec
from dlrun.schedules import SCHEDULES
from dlrun.tracking import TRACKERS
from tests.config.zoo import ANIMALS, Zoo

REGISTRIES: list[Registry[Any]] = [
    LAYER_CHOICES, LOSSES, OPTIMIZERS, SCHEDULES, METRICS, SOURCES, TRANSFORMS, AUGMENTATIONS, TRACKERS,
]  # fmt: skip
COMPONENTS = [component for registry in REGISTRIES for component in registry]
SPECS = [RunConfig, TrainingConfig, EarlyStopping, CheckpointsConfig, DataConfig]


def test_table() -> None:
    assert catalog(ANIMALS) == [
        CatalogRow("cat", "A cat"),
        CatalogRow("fish", "A fish"),
        CatalogRow("stone", "No animal, but it may stand among them"),
    ]


def test_one_component() -> None:
    entry = component_entry(ANIMALS, "feline")
    assert (entry.name, entry.synonyms) == ("cat", ("feline",))
    assert entry.description == "A cat.\n\nIt sleeps most of the day."
    rows = {row.name: row for row in entry.fields}
    assert next(iter(rows)) == "lives"
    assert (rows["lives"].type, rows["lives"].default, rows["lives"].constraints) == ("integer", None, "> 0, < 10")
    assert rows["lives"].description == "The number of lives that are left."
    assert (rows["naps"].type, rows["naps"].default) == ("integer or list of 2 integers", "3")
    assert (rows["mood"].type, rows["mood"].default) == ("'calm' or 'cross'", "calm")
    assert (rows["start"].type, rows["start"].default) == ("initializer", "zeros")
    assert (rows["end"].type, rows["end"].default) == ("initializer or null", "null")
    assert (rows["speed"].constraints, rows["speed"].aliases) == ("> 0", ("lr",))


def test_other_types() -> None:
    rows = {row.name: row for row in field_rows(Zoo)}
    assert rows["animals"].type == "list of animals"
    assert rows["animals"].constraints == "at least 1 long"
    assert rows["size"].type == "integer > 0 or 'full'"
    assert rows["prices"].type == "mapping from names to numbers"
    assert rows["keeper"].type == "mapping of name, shifts or null"


def test_an_unknown_name() -> None:
    with pytest.raises(KeyError):
        component_entry(ANIMALS, "dog")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", "One"),
        ("By R. A. Fisher, 1936. More.", "By R. A. Fisher, 1936"),
        ("About 0.5 of it. More", "About 0.5 of it"),
        ("Two\nlines.\n\nMore.", "Two lines"),
        ("", ""),
    ],
)
def test_first_sentences(text: str, expected: str) -> None:
    assert first_sentence(text) == expected


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.__name__)
def test_every_component_is_documented_and_can_be_built(component: type[Component]) -> None:
    assert component.__doc__
    assert component.model_rebuild(raise_errors=True) is not False
    assert set(fields_of(component)) == set(component.model_fields)
    for row in field_rows(component):
        assert row.description, f"{component.__name__}.{row.name} has no docstring"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_field_of_a_config_is_documented(spec: type[Spec]) -> None:
    assert [name for name in spec.model_fields if not field_text(spec, name)] == []
