"""A config's network in the few words that every library has, so that all contenders build the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlrun.config.load import LoadedConfig, load_config
from dlrun.config.run_config import RunConfig
from dlrun.layers import LAYERS
from dlrun.layers.base import Layer


class Unsupported(Exception):
    """A contender can't build this network, or isn't installed: why, in a line."""


@dataclass(frozen=True)
class Convolution:
    """A square convolution with strides of 1 and a ReLU: images (height, width, channels) in that order."""

    filters: int
    size: int
    padding: str


@dataclass(frozen=True)
class MaxPool:
    """The largest entry of each square window; windows don't overlap."""

    size: int


@dataclass(frozen=True)
class Flatten:
    """Makes one axis of all."""


@dataclass(frozen=True)
class Dense:
    """A fully connected layer, with a ReLU or without."""

    units: int
    relu: bool


Part = Convolution | MaxPool | Flatten | Dense


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent."""

    learning_rate: float
    momentum: float


@dataclass(frozen=True)
class Adam:
    """Adam with the moments' usual factors."""

    learning_rate: float


@dataclass(frozen=True)
class Network:
    """Layers from the images to the logits of the classes, trained on cross-entropy by an optimizer."""

    parts: tuple[Part, ...]
    optimizer: Sgd | Adam


def read_config(path: Path | str, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Return the config."""
    return load_config(Path(path), list(overrides))


def network_of(config: RunConfig) -> Network:
    """Return a config's network and optimizer. Raises Unsupported where it has more than these words say."""
    if config.loss.type != "cross_entropy":
        raise Unsupported(f"only networks for cross_entropy are compared, not {config.loss.type}")
    return Network(tuple(_part(layer) for layer in config.model.layers), _optimizer(config))


def _optimizer(config: RunConfig) -> Sgd | Adam:
    fields = config.optimizer.model_dump(exclude_defaults=True)
    kind, rate, momentum = config.optimizer.type, config.optimizer.learning_rate, fields.pop("momentum", 0.0)
    fields = {name: value for name, value in fields.items() if name not in ("type", "learning_rate")}
    if fields or kind not in ("sgd", "adam"):
        raise Unsupported(f"only plain sgd and adam are compared, not {config.optimizer}")
    return Sgd(rate, momentum) if kind == "sgd" else Adam(rate)


def _part(layer: Layer) -> Part:
    """Return a layer in those words, after checking that they say all of it."""
    fields = layer.model_dump()
    relu = (fields.get("activation") or {}).get("type") == "relu"
    part: Part
    match layer.type:
        case "conv2d":
            part = Convolution(fields["filters"], _square(fields["kernel_size"]), fields["padding"])
            same = {"filters": part.filters, "kernel_size": part.size, "padding": part.padding, "activation": "relu"}
        case "max_pool2d":
            part = MaxPool(_square(fields["pool_size"]))
            same = {"pool_size": part.size}
        case "flatten":
            part, same = Flatten(), {}
        case "dense":
            part = Dense(fields["units"], relu)
            # A softmax before cross-entropy is part of the loss, here as everywhere.
            same = {"units": part.units, "activation": "relu" if relu else "softmax"}
        case _:
            raise Unsupported(f"the layer {layer.type} is not among those that are compared")
    if LAYERS[layer.type].model_validate({"type": layer.type, **same}) != layer.model_copy(update={"name": None}):
        raise Unsupported(f"the layer {layer} has settings that are not compared")
    return part


def _square(size: int | tuple[int, int]) -> int:
    sizes = {size} if isinstance(size, int) else set(size)
    if len(sizes) != 1:
        raise Unsupported("only square windows are compared")
    return sizes.pop()
