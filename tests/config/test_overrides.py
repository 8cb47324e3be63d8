"""Overrides: what they set, and where their mistakes are shown."""

from __future__ import annotations

from typing import Any

import pytest

from dlrun.config.document import Document, parse_file
from dlrun.config.node import plain
from dlrun.config.overrides import apply_overrides
from dlrun.config.problems import LocatedConfigError
from dlrun.config.source import Source

TEXT = """\
seed: 3
optimizer: adam
model:
  layers:
    - {type: dense, name: encoder, units: 8}
    - flatten
    - {type: repeat, times: 2, layers: [{type: dense, name: inner, units: 4}]}
    - {type: dense, name: twin}
    - {type: dense, name: twin}
training:
  early_stopping: {patience: 3}
  nothing:
"""


def applied(*overrides: str) -> Any:
    root, problems = apply_overrides(parse_file(Source("c.yaml", TEXT)).root, overrides)
    assert problems == []
    return plain(root)


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=7", ("seed",), 7),
        ("seed=no", ("seed",), "no"),
        ("optimizer.learning_rate=3e-4", ("optimizer",), {"type": "adam", "learning_rate": 3e-4}),
        ("optimizer=sgd", ("optimizer",), "sgd"),
        ("optimizer={type: sgd, momentum: 0.9}", ("optimizer",), {"type": "sgd", "momentum": 0.9}),
        ("model.layers[0].units=64", ("model", "layers", 0, "units"), 64),
        ("model.layers[1].axis=1", ("model", "layers", 1), {"type": "flatten", "axis": 1}),
        ("model.layers.encoder.units=64", ("model", "layers", 0, "units"), 64),
        ("model.layers.inner.units=64", ("model", "layers", 2, "layers", 0, "units"), 64),
        ("model.layers[2].layers[0].units=5", ("model", "layers", 2, "layers", 0, "units"), 5),
        ("model.layers=[flatten]", ("model", "layers"), ["flatten"]),
        ("training.early_stopping=null", ("training", "early_stopping"), None),
        ("training.early_stopping.patience=9", ("training", "early_stopping"), {"patience": 9}),
        ("training.nothing.x=1", ("training", "nothing"), {"x": 1}),
        ("data.split.validation=0.2", ("data",), {"split": {"validation": 0.2}}),
        ("name= spaced ", ("name",), "spaced"),
        ("name='quoted = text'", ("name",), "quoted = text"),
        ("name=a=b", ("name",), "a=b"),
        ("name=''", ("name",), ""),
    ],
)
def test_values(override: str, path: tuple[str | int, ...], value: object) -> None:
    found = applied(override)
    for part in path:
        found = found[part]
    assert found == value


def test_the_rest_stays() -> None:
    before = plain(parse_file(Source("c.yaml", TEXT)).root)
    before["model"]["layers"][0]["units"] = 64
    assert applied("model.layers[0].units=64") == before


def test_later_overrides_see_earlier_ones() -> None:
    assert applied("optimizer=sgd", "optimizer.momentum=0.9", "optimizer.momentum=0.8")["optimizer"] == {
        "type": "sgd",
        "momentum": 0.8,
    }


def test_aliased_values_change_in_one_place_only() -> None:
    root = parse_file(Source("c.yaml", "a: &a {x: 1}\nb: *a\n")).root
    changed, _ = apply_overrides(root, ["b.x=2"])
    assert plain(changed) == {"a": {"x": 1}, "b": {"x": 2}}


def test_places_are_those_of_the_override() -> None:
    root, _ = apply_overrides(parse_file(Source("c.yaml", TEXT)).root, ["a.b=1", "optimizer.rate={x: [1, 23]}"])
    document = Document(root, "c.yaml")
    value = document.span(("optimizer", "rate", "x", 1))
    assert (str(value), value.width, value.source.text) == ("override:1:24", 2, "optimizer.rate={x: [1, 23]}")
    assert str(document.span(("optimizer", "rate"), at_key=True)) == "override:1:11"
    assert str(document.span(("optimizer", "type"))) == "c.yaml:2:12"


@pytest.mark.parametrize(
    ("override", "column", "message"),
    [
        ("seed", 1, "'seed' is no override"),
        ("", 1, "'' is no override"),
        ("seed=", 5, "the override has no value"),
        ("seed= # comment", 6, "the override has no value"),
        ("=3", 1, "the path '' is malformed here"),
        (".seed=3", 1, "the path '.seed' is malformed here"),
        ("seed.=3", 6, "the path 'seed.' is malformed here"),
        ("a..b=3", 3, "the path 'a..b' is malformed here"),
        ("[0]=3", 1, "the path '[0]' is malformed here"),
        ("model.layers[-1].units=3", 13, "the path 'model.layers[-1].units' is malformed here"),
        ("model.layers[0=3", 13, "the path 'model.layers[0' is malformed here"),
        ("model.layers[0]units=3", 16, "the path 'model.layers[0]units' is malformed here"),
        ("model.layers.[0]=3", 14, "the path 'model.layers.[0]' is malformed here"),
        ("a b=3", 2, "the path 'a b' is malformed here"),
        ("model.layers[5].units=3", 13, "model.layers has 5 items, there is no [5]"),
        ("model.layers.decoder.units=3", 14, "model.layers has no item named 'decoder'"),
        ("model.layers.twin.units=3", 14, "model.layers has 2 items named 'twin'"),
        ("model[0]=3", 6, "model is a mapping, not a list"),
        ("seed[0]=3", 5, "seed is the number 3, not a list"),
        ("seed.x=3", 6, "seed is the number 3 and has no fields"),
        ("data.files[0]=3", 6, "data.files isn't there, so it has no items"),
        ("seed=[1", 8, "expected ',' or ']' here"),
        ("seed={a: 1, a: 2}", 13, "duplicate key 'a'"),
        ("seed=!!int 3", 6, "the tag '!!int' isn't allowed in a config"),
        ("extends=base.yaml", 1, "'extends' can't be overridden"),
    ],
)
def test_mistakes(override: str, column: int, message: str) -> None:
    _, problems = apply_overrides(parse_file(Source("c.yaml", TEXT)).root, [override])
    lines = LocatedConfigError(problems, "c.yaml").render().splitlines()
    assert lines[0] == f"override:1:{column}: error: {message}"
    if override:
        assert lines[1] == f"  1 | {override}"
        assert lines[2].index("^") == column + 5


def test_an_unknown_name_has_help() -> None:
    _, problems = apply_overrides(parse_file(Source("c.yaml", TEXT)).root, ["model.layers.enc.units=3"])
    assert problems[0].problem.help == "did you mean 'encoder'? one of: encoder, inner, twin"


def test_all_mistakes_at_once() -> None:
    root, problems = apply_overrides(parse_file(Source("c.yaml", TEXT)).root, ["seed.x=3", "seed=4", "model[0]=1"])
    assert plain(root)["seed"] == 4
    assert len(problems) == 2
