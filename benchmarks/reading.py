"""A config's network in the words of `benchmarks.network`, so that all contenders build the same one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import parts
from benchmarks.network import Adam, Network, Node, Sgd
from benchmarks.parts import Part, Shape, Unsupported
from dlrun.compiler.graph import node_names
from dlrun.config.load import LoadedConfig, load_config
from dlrun.config.run_config import RunConfig
from dlrun.data.load import probe
from dlrun.layers import LAYERS
from dlrun.layers.base import Layer


def read_config(path: Path | str, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Return the config."""
    return load_config(Path(path), list(overrides))


def network_of(config: RunConfig) -> Network:
    """Return a config's network and optimizer. Raises Unsupported where it has more than these words say."""
    if isinstance(config.loss, dict):
        raise Unsupported(f"only networks of one target are compared, not of {', '.join(config.loss)}")
    if config.loss.model_dump(exclude_defaults=True, exclude={"type"}) or config.loss.type != "cross_entropy":
        raise Unsupported(f"only plain cross_entropy is compared, not {config.loss}")
    features = probe(config.data, config.seed).inputs
    if len(features) != 1:
        raise Unsupported(f"only networks of one input are compared, not of {', '.join(features)}")
    layers, places = config.model.layers, {next(iter(features)): 0}
    shape: Shape = next(iter(features.values())).shape
    nodes = []
    for number, (layer, name) in enumerate(zip(layers, node_names(layers), strict=True)):
        sources = (number,) if layer.inputs is None else tuple(places[source] for source in layer.inputs)
        known = layer.for_data(*(features.get(source) for source in layer.inputs or ([] if number else features)))
        nodes.append(Node(_part(known, last=number == len(layers) - 1), sources))
        places[name] = number + 1
    return Network(shape, tuple(nodes), _optimizer(config))


def _optimizer(config: RunConfig) -> Sgd | Adam:
    fields = config.optimizer.model_dump(exclude_defaults=True)
    kind, rate, momentum = config.optimizer.type, config.optimizer.learning_rate, fields.pop("momentum", 0.0)
    fields = {name: value for name, value in fields.items() if name not in ("type", "learning_rate")}
    if fields or kind not in ("sgd", "adam"):
        raise Unsupported(f"only plain sgd and adam are compared, not {config.optimizer}")
    return Sgd(rate, momentum) if kind == "sgd" else Adam(rate)


def _part(layer: Layer, last: bool) -> Part:
    """Return a layer in those words, after checking that they say all of it."""
    fields = layer.model_dump()
    part, said = _worded(layer.type, fields, last)
    plain = layer.model_copy(update={"name": None, "inputs": None})
    if LAYERS[layer.type].model_validate({"type": layer.type, **said}) != plain:
        raise Unsupported(f"the layer {layer} has settings that are not compared")
    return part


def _worded(kind: str, fields: dict[str, Any], last: bool) -> tuple[Part, dict[str, Any]]:
    """Return a part for a layer's fields, and what of the fields it says."""
    match kind:
        case "conv2d":
            relu, bias = _activation(fields) == "relu", fields["use_bias"]
            convolution = parts.Convolution(
                fields["filters"], _square(fields["kernel_size"]), fields["padding"], bias, relu
            )
            return convolution, {
                "filters": convolution.filters, "kernel_size": convolution.size, "padding": convolution.padding,
                "use_bias": bias, "activation": "relu" if relu else None,
            }  # fmt: skip
        case "max_pool2d":
            pool = parts.MaxPool(_square(fields["pool_size"]))
            return pool, {"pool_size": pool.size}
        case "dense":
            relu = _activation(fields) == "relu"
            # A softmax before cross-entropy is part of the loss, here as everywhere.
            other = "softmax" if last and _activation(fields) == "softmax" else None
            return parts.Dense(fields["units"], relu), {
                "units": fields["units"], "activation": "relu" if relu else other,
            }  # fmt: skip
        case "batch_normalization":
            return parts.BatchNorm(fields["momentum"], fields["epsilon"]), _chosen(fields, "momentum", "epsilon")
        case "layer_normalization":
            return parts.LayerNorm(fields["epsilon"]), _chosen(fields, "epsilon")
        case "embedding":
            said = _chosen(fields, "input_dim", "output_dim")
            return parts.Embedding(fields["input_dim"], fields["output_dim"]), said
        case "lstm":
            return parts.Lstm(fields["units"], fields["return_sequences"]), _chosen(fields, "units", "return_sequences")
        case "transformer_decoder":
            return _block(fields)
    if kind not in SIMPLE:
        raise Unsupported(f"the layer {kind} is not among those that are compared")
    return SIMPLE[kind], {}


SIMPLE: dict[str, Part] = {
    "add": parts.Add(), "flatten": parts.Flatten(), "relu": parts.Relu(), "positional_embedding": parts.Positions(),
    "global_average_pool2d": parts.GlobalAveragePool(),
}  # fmt: skip
"""Layers without fields."""


def _block(fields: dict[str, Any]) -> tuple[Part, dict[str, Any]]:
    activation = fields["activation"]
    name = activation["type"] + ("_tanh" if activation.get("approximate") else "")
    if name not in ("relu", "gelu", "gelu_tanh"):
        raise Unsupported(f"Transformer blocks with {name} are not compared")
    said = _chosen(fields, "num_heads", "intermediate_dim", "activation", "layer_norm_epsilon")
    block = parts.TransformerBlock(fields["num_heads"], fields["intermediate_dim"], name, fields["layer_norm_epsilon"])
    return block, said | {"normalize_first": True}


def _activation(fields: dict[str, Any]) -> str | None:
    found = fields.get("activation")
    return found["type"] if found else None


def _chosen(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: fields[name] for name in names}


def _square(size: int | tuple[int, int]) -> int:
    sizes = {size} if isinstance(size, int) else set(size)
    if len(sizes) != 1:
        raise Unsupported("only square windows are compared")
    return sizes.pop()
