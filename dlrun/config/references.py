"""The names of layers: unique, and every reference meets one. Checked on the tree, so that faulty layers take part."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dlrun.config.node import Node
from dlrun.config.problems import path_text, suggestion
from dlrun.config.repeat import reference_fields
from dlrun.errors import Path, Problem
from dlrun.layers.names import layer_names


def names_of(layers: Sequence[Node]) -> list[str]:
    """Return every layer's name, faulty layers' too."""
    return layer_names((_text(layer.get("name")), _text(layer.get("type")) or "layer") for layer in layers)


def _text(node: Node | None) -> str | None:
    return node.value if node is not None and isinstance(node.value, str) else None


def reference_problems(layers: Sequence[Node], data_inputs: Collection[str] | None) -> list[Problem]:
    """Return duplicate names, and `inputs` that name nothing or something that comes later.

    `layers` are written out, repeats and all. `data_inputs` are the names of the data's inputs, or None where only
    the data itself knows them: names that could be theirs are then left to the compiler.
    """
    problems: list[Problem] = []
    earlier: dict[str, Path] = {}
    names = names_of(layers)
    for layer, name in zip(layers, names, strict=True):
        problems += _input_problems(layer, earlier, names, data_inputs)
        problems += _lender_problems(layer, earlier, names)
        place = (*layer.path, "name")
        if name in earlier:
            message = f"{path_text(layer.path)}: another layer is named '{name}'"
            problems.append(Problem(place, message, f"it is {path_text(earlier[name])}"))
        elif name in (data_inputs or ()):
            problems.append(Problem(place, f"{path_text(layer.path)}: an input of the data is named '{name}'"))
        earlier.setdefault(name, layer.path)
    return problems


def _input_problems(
    layer: Node, earlier: Collection[str], everywhere: Collection[str], data_inputs: Collection[str] | None
) -> list[Problem]:
    problems: list[Problem] = []
    inputs = layer.get("inputs")
    for item in inputs.items if inputs else ():
        name = item.value
        if not isinstance(name, str) or name in earlier or name in (data_inputs or ()):
            continue
        text = path_text(item.path)
        if name in everywhere:
            message = f"{text}: the layer '{name}' doesn't come before this one"
            problems.append(Problem(item.path, message, "a layer takes the outputs of layers before it"))
        elif data_inputs is not None:
            message = f"{text}: no layer and no input of the data is named '{name}'"
            problems.append(Problem(item.path, message, suggestion(name, {*earlier, *data_inputs})))
    return problems


def _lender_problems(layer: Node, earlier: Collection[str], everywhere: Collection[str]) -> list[Problem]:
    """Return the names of layers with whose weights this one computes, and that don't come before it."""
    problems: list[Problem] = []
    for field in reference_fields(layer):
        item = layer.get(field)
        if item is None or not isinstance(item.value, str) or item.value in earlier:
            continue
        text = path_text(item.path)
        if item.value in everywhere:
            message = f"{text}: the layer '{item.value}' doesn't come before this one"
            problems.append(Problem(item.path, message, "weights belong to the first layer that uses them"))
        else:
            message = f"{text}: no layer is named '{item.value}'"
            problems.append(Problem(item.path, message, suggestion(item.value, set(earlier))))
    return problems


def frozen_problems(names: Node | None, layers: Sequence[Node]) -> list[Problem]:
    """Return the names in a list of layers' names that no layer has."""
    known = set(names_of(layers))
    return [
        Problem(item.path, f"{path_text(item.path)}: no layer is named '{item.value}'", suggestion(item.value, known))
        for item in (names.items if names else ())
        if isinstance(item.value, str) and item.value not in known
    ]
