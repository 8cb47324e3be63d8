"""What every layer has in a config."""

from __future__ import annotations

from dlrun.registry import Component


class Layer(Component):
    """A layer of the network."""

    name: str | None = None
    """By which other layers, overrides and messages refer to this layer."""
    inputs: tuple[str, ...] | None = None
    """The names of the layers or data inputs it takes; the previous layer when left out."""
    trainable: bool = True
    """Whether its weights are trained; false freezes them."""
