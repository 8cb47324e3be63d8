"""`repeat`: copies, their names, and the places of their mistakes."""

from __future__ import annotations

from dlrun.config.load import load_text
from tests.config.test_load import BASE, errors, load


def layers(block: str) -> list[tuple[str | None, tuple[str, ...] | None]]:
    config = load(f"model.layers=[flatten, {block}]").config
    return [(layer.name, layer.inputs) for layer in config.model.layers[1:]]


def test_copies_share_the_place_of_their_original() -> None:
    text = BASE.replace(
        "    - {type: dense, units: 10}\n",
        "    - type: repeat\n      times: 2\n      layers:\n        - {type: dense, units: 4}\n        - flatten\n",
    )
    loaded = load_text(text)
    inside = ("model", "layers", 2, "layers")
    assert [layer.type for layer in loaded.config.model.layers[2:]] == ["dense", "flatten", "dense", "flatten"]
    assert loaded.layer_paths[2:] == ((*inside, 0), (*inside, 1), (*inside, 0), (*inside, 1))
    assert loaded.document.span((*inside, 0, "units")).line == 9


def test_names_are_numbered_and_inputs_follow() -> None:
    block = "{type: repeat, times: 2, layers: [{type: dense, name: a, units: 4}, {type: dense, units: 4, inputs: [a]}]}"
    assert layers(block) == [("a_1", None), (None, ("a_1",)), ("a_2", None), (None, ("a_2",))]


def test_inputs_from_outside_stay() -> None:
    block = "{type: repeat, times: 2, layers: [{type: dense, units: 4, inputs: [flatten_1]}]}"
    assert layers(block) == [(None, ("flatten_1",))] * 2


def test_nested() -> None:
    inner = "{type: repeat, times: 2, layers: [{type: dense, name: b, units: 4, inputs: [a]}]}"
    block = f"{{type: repeat, times: 2, layers: [{{type: dense, name: a, units: 4}}, {inner}]}}"
    assert layers(block) == [
        ("a_1", None), ("b_1_1", ("a_1",)), ("b_1_2", ("a_1",)),
        ("a_2", None), ("b_2_1", ("a_2",)), ("b_2_2", ("a_2",)),
    ]  # fmt: skip


def test_mistakes_inside_are_reported_once() -> None:
    assert errors("model.layers[1]={type: repeat, times: 3, layers: [{type: dense, units: 0, inputs: [nix]}]}") == [
        "override:1:72: error: model.layers[1].layers[0].units must be greater than 0, got 0",
        "override:1:84: error: model.layers[1].layers[0].inputs[0]: no layer and no input of the data is named 'nix'",
    ]


def test_mistakes_of_the_repeat_itself() -> None:
    assert errors("model.layers[1]={type: repeat, times: 0, layers: [], name: x}") == [
        "override:1:39: error: model.layers[1].times must be greater than 0, got 0",
        "override:1:50: error: model.layers[1].layers must have at least 1 item, got 0",
        "override:1:54: error: unknown field 'name' of repeat",
    ]
    assert errors("model.layers[1]={type: repeat, layers: [flatten]}") == ["override:1:17: error: repeat needs 'times'"]
    assert errors("model.layers[1]={type: repeat, times: x, layers: dense}") == [
        "override:1:39: error: model.layers[1].times: expected an integer, got the string 'x'",
        "override:1:50: error: model.layers[1].layers: expected a list, got the string 'dense'",
    ]
    assert errors("model.layers=[repeat]") == [
        "override:1:15: error: repeat needs 'times'",
        "override:1:15: error: repeat needs 'layers'",
    ]


def test_too_many_layers() -> None:
    block = "flatten"
    for _ in range(4):
        block = f"{{type: repeat, times: 1000, layers: [{block}]}}"
    assert errors(f"model.layers=[{block}]") == ["override:1:14: error: model.layers comes to more than 10000 layers"]


def test_names_that_clash_after_numbering() -> None:
    clash = "{type: repeat, times: 2, layers: [{type: dense, name: a, units: 4}]}, {type: dense, name: a_2, units: 3}"
    assert errors(f"model.layers=[flatten, {clash}]") == [
        f"override:1:{len('model.layers=[flatten, ') + clash.index('a_2') + 1}: "
        "error: model.layers[2]: another layer is named 'a_2'"
    ]
