"""`{type: repeat, times: 4, layers: [...]}`: a block of layers, several times over.

It exists in the config language alone: validation writes the copies out. Each copy's layers get the copy's number
behind their names (`dense` → `dense_1`, `dense_2`), and `inputs` and other fields that name layers of the block follow.
Every copy keeps the path of its original, so that messages point at the one place where it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from dlrun.config.node import Node
from dlrun.config.problems import path_text
from dlrun.errors import Problem
from dlrun.layers import LAYERS
from dlrun.registry import ChosenBy, Component, Registry

MOST_LAYERS = 10_000


class Repeat(Component):
    """A block of layers, several times over.

    The copies' layers are named after their originals: `dense` becomes `dense_1`, `dense_2`, ...; `inputs` inside
    the block follow. The first layer of a copy takes the output of the copy before it, unless it names its inputs.
    """

    type: Literal["repeat"] = "repeat"
    times: int = Field(gt=0, le=MOST_LAYERS)
    """The number of copies."""
    layers: tuple[Annotated[Component, ChosenBy(lambda: LAYER_CHOICES)], ...] = Field(min_length=1)
    """The layers of the block."""


LAYER_CHOICES: Registry[Component] = Registry("layer", {**LAYERS.loaders, "repeat": lambda: Repeat}, LAYERS.synonyms)
"""What a list of layers in a config may hold."""


def expand(layers: Sequence[Node]) -> tuple[list[Node], list[Problem]]:
    """Return the layers with their repeats written out, and a problem if they are too many."""
    expanded: list[Node] = []
    for layer in _copies(layers):
        if len(expanded) == MOST_LAYERS:
            path = layers[0].path[:-1]
            return [], [Problem(path, f"{path_text(path)} comes to more than {MOST_LAYERS} layers")]
        expanded.append(layer)
    return expanded, []


def _copies(layers: Sequence[Node]) -> Iterator[Node]:
    for layer in layers:
        block = _block(layer)
        if block is None:
            yield layer
            continue
        for number in range(1, _times(layer) + 1):
            yield from _copies(_numbered(block, number, frozenset()))


def _block(layer: Node) -> tuple[Node, ...] | None:
    """Return the layers of a repeat; None for any other layer."""
    chosen = layer.get("type")
    if chosen is None or chosen.value != Repeat.type_name():
        return None
    block = layer.get("layers")
    return block.items if block else ()


def _times(layer: Node) -> int:
    """Return how often a repeat repeats; once if it doesn't say so properly, which is reported elsewhere."""
    times = layer.get("times")
    value = times.value if times else 1
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 1


def _numbered(layers: Sequence[Node], number: int, outer: frozenset[object]) -> tuple[Node, ...]:
    """Return a block with its names, and the inputs that mean them, numbered."""
    names = outer | {name.value for layer in layers if (name := layer.get("name")) is not None}
    return tuple(_numbered_layer(layer, number, names) for layer in layers)


def _numbered_layer(layer: Node, number: int, names: frozenset[object]) -> Node:
    block = _block(layer)
    if block is not None and layer.get("layers"):
        entry = layer.entries["layers"]
        inner = replace(entry.node, value=_numbered(block, number, names))
        return layer.with_entry("layers", entry._replace(node=inner))
    for field in ("name", "inputs", *reference_fields(layer)):
        entry_or_none = layer.entries.get(field)
        if entry_or_none is not None:
            node = entry_or_none.node
            renamed = _rename(node, number, names)
            if node.is_list:
                renamed = replace(node, value=tuple(_rename(item, number, names) for item in node.items))
            layer = layer.with_entry(field, entry_or_none._replace(node=renamed))
    return layer


def reference_fields(layer: Node) -> tuple[str, ...]:
    """Return the fields of a layer that name other layers, besides its inputs."""
    chosen = layer.get("type")
    known = chosen is not None and isinstance(chosen.value, str) and chosen.value in LAYERS
    return LAYERS[str(chosen.value)].references if chosen is not None and known else ()


def _rename(node: Node, number: int, names: frozenset[object]) -> Node:
    if isinstance(node.value, str) and node.value in names:
        return replace(node, value=f"{node.value}_{number}")
    return node
