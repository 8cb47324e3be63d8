"""A small network for each layer that exists, for tests that all layers must pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dlrun.activations import ACTIVATIONS
from dlrun.layers import LAYERS
from tests.support.training import ROWS, Array

HOW_TO_ADD = "has no network in tests/support/cases.py: add a line for it to CASES"
BEFORE: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "features": ((30,), {"type": "dense", "units": 21}),
    "image": ((9, 8, 3), {"type": "conv2d", "filters": 5, "kernel_size": 1}),
    "sequence": ((11, 4), {"type": "conv1d", "filters": 6, "kernel_size": 1}),
    "ids": ((11,), {"type": "embedding", "input_dim": 20, "output_dim": 6, "mask_zero": True}),
}
"""What a layer may stand behind: the input's shape, and a layer with weights that its gradient must reach."""


class Case(NamedTuple):
    """Layers, as a config has them, and the shape of a sample of their input, and how much of it is zero."""

    shape: tuple[int, ...]
    layers: tuple[dict[str, Any], ...]
    zeros: float = 0.0

    @property
    def data(self) -> Array:
        """Random inputs: whole numbers from 0 to 19 where the first layer is an embedding."""
        random = np.random.default_rng([*self.shape])
        if self.layers[0]["type"] == "embedding":
            return random.integers(0, 20, (ROWS, *self.shape))
        return with_zeros(random.standard_normal((ROWS, *self.shape)), self.zeros)


def with_zeros(x: Array, share: float) -> Array:
    """Return x with a share of it set to zero, eleven neighbours of a row at a time."""
    if not share:
        return x
    kept = np.random.default_rng(0).random((len(x), -(-x[0].size // 11))) >= share
    return x * np.repeat(kept, 11, axis=1)[:, : x[0].size].reshape(x.shape)


def behind(kind: str, *layers: dict[str, Any]) -> Case:
    """Return a network of these layers behind one of those in BEFORE."""
    shape, first = BEFORE[kind]
    return Case(shape, (first, *layers))


def alone(kind: str, **fields: Any) -> Case:
    """Return a network of one layer behind one of those in BEFORE; its type is filled in by CASES."""
    return behind(kind, fields)


def merging(**fields: Any) -> Case:
    """Return a network whose last layer takes two others."""
    branches = [{"type": "dense", "name": name, "units": 13, "inputs": ["x"]} for name in ("a", "b")]
    return Case((10,), (*branches, {**fields, "inputs": ["a", "b"]}))


def _filled(name: str, case: Case) -> Case:
    return Case(case.shape, tuple({"type": name, **layer} for layer in case.layers))


SINGLE: dict[str, Case] = {
    **{name: alone("features") for name in ACTIVATIONS.names if name != "linear"},
    "activation": alone("features", activation="tanh"),
    "add": merging(),
    "average": merging(),
    "average_pool1d": alone("sequence", pool_size=2),
    "average_pool2d": alone("image", pool_size=2),
    "batch_normalization": alone("image"),
    "concatenate": merging(),
    "conv1d": alone("sequence", filters=18, kernel_size=3, padding="same"),
    "conv2d": alone("image", filters=19, kernel_size=3, padding="same", activation="relu"),
    "conv2d_transpose": alone("image", filters=4, kernel_size=3, strides=2),
    "dense": alone("features", units=70, activation="relu"),
    "depthwise_conv2d": alone("image", kernel_size=3),
    "dot": merging(normalize=True),
    "dropout": alone("features", rate=0.4),
    "embedding": Case((11,), ({"input_dim": 20, "output_dim": 18},)),
    "flatten": alone("image"),
    "gaussian_noise": alone("features", stddev=0.3),
    "global_average_pool1d": alone("sequence"),
    "global_average_pool2d": alone("image"),
    "global_max_pool1d": alone("sequence"),
    "global_max_pool2d": alone("image"),
    "gru": alone("ids", units=19, bidirectional=True),
    "l2_normalize": alone("features"),
    "layer_normalization": alone("features"),
    "lstm": alone("ids", units=19, return_sequences=True, dropout=0.2),
    "masking": alone("sequence"),
    "max_pool1d": alone("sequence", pool_size=2),
    "max_pool2d": alone("image", pool_size=2),
    "maximum": merging(),
    "minimum": merging(),
    "multi_head_attention": alone("ids", num_heads=2, dropout=0.2),
    "multiply": merging(),
    "output_embedding": Case(
        (11,),
        (
            {"type": "embedding", "name": "words", "input_dim": 20, "output_dim": 18},
            {"type": "dense", "units": 18},
            {"embedding": "words"},
        ),
    ),
    "permute": alone("image", dims=[2, 3, 1]),
    "positional_embedding": alone("sequence"),
    "repeat_vector": alone("features", n=5),
    "reshape": alone("image", target_shape=[72, 5]),
    "rms_normalization": alone("features"),
    "shared": behind("features", {"type": "dense", "name": "again", "units": 21}, {"layer": "again"}),
    "simple_rnn": alone("sequence", units=19, go_backwards=True),
    "spatial_dropout": alone("image", rate=0.4),
    "subtract": merging(),
    "time_distributed": alone("image", layer={"type": "lstm", "units": 7, "dropout": 0.2}),
    "transformer_decoder": alone("ids", num_heads=3, intermediate_dim=19, rotary=True),
    "transformer_encoder": alone("ids", num_heads=2, intermediate_dim=19, dropout=0.2),
    "up_sampling2d": alone("image", size=2),
    "variational_sampling": merging(),
    "zero_padding2d": alone("image", padding=1),
}
CASES = {name: _filled(name, case) for name, case in SINGLE.items()}
"""One network for each layer, by its type."""
MORE = {
    "dense over zeros": Case((203,), ({"type": "dense", "units": 71}, {"type": "dense", "units": 3}), zeros=0.8),
    "convolution and pool": behind(
        "image",
        {"type": "conv2d", "filters": 70, "kernel_size": 3, "padding": "same", "activation": "relu"},
        {"type": "max_pool2d", "pool_size": 2},
    ),
    "convolution of few inputs and pool": Case(
        (9, 12, 1),
        (
            {"type": "conv2d", "filters": 37, "kernel_size": 3, "activation": "relu"},
            {"type": "max_pool2d", "pool_size": 2},
        ),
    ),
    "convolutions by Winograd and pool": Case(
        (9, 7, 17),
        (
            {"type": "conv2d", "filters": 19, "kernel_size": 3, "padding": "same", "activation": "relu"},
            {"type": "conv2d", "filters": 33, "kernel_size": 3, "activation": "relu"},
            {"type": "max_pool2d", "pool_size": 2},
        ),
    ),
    "strided groups": behind(
        "image",
        {"type": "conv2d", "filters": 8, "kernel_size": 3},
        {"type": "conv2d", "filters": 34, "kernel_size": 3, "strides": 2, "groups": 2},
    ),
    "convolution of many weights": Case(
        (2, 2, 171), ({"type": "conv2d", "filters": 171, "kernel_size": 3, "padding": "same"},)
    ),
    "large dense": Case((300,), ({"type": "dense", "units": 250, "activation": "relu"}, {"type": "dense", "units": 3})),
    "both directions multiplied": behind(
        "ids", {"type": "lstm", "units": 7, "bidirectional": True, "merge_mode": "mul", "return_sequences": True}
    ),
    "scalar products of sequences": behind(
        "sequence",
        {"type": "dense", "units": 6, "name": "h"},
        {"type": "dot", "inputs": ["h", "h"], "axes": [2, -1]},
        {"type": "dense", "units": 37},
    ),
    "convolutions over padded text": behind(
        "ids",
        {"type": "conv1d", "filters": 19, "kernel_size": 3, "name": "a"},
        {"type": "global_max_pool1d", "name": "of_a"},
        {"type": "conv1d", "filters": 6, "kernel_size": 4, "padding": "same", "inputs": ["embedding_1"]},
        {"type": "global_average_pool1d", "name": "of_b"},
        {"type": "concatenate", "inputs": ["of_a", "of_b"]},
    ),
    "convolution and pool at each step": Case(
        (3, 7, 6, 1),
        (
            {"type": "time_distributed", "layer": {"type": "conv2d", "filters": 9, "kernel_size": 3}},
            {"type": "time_distributed", "layer": {"type": "batch_normalization"}},
            {"type": "time_distributed", "layer": "relu"},
            {"type": "time_distributed", "layer": {"type": "max_pool2d", "pool_size": 2}},
        ),
    ),
    "normalised dense": behind("features", {"type": "batch_normalization"}, {"type": "dense", "units": 35}),
}
"""Networks that make the compiler choose other kernels than those of CASES."""


def case_of(layer: str) -> Case:
    """Return a layer's network. Raises AssertionError where a new layer has none."""
    assert layer in LAYERS
    assert layer in CASES, f"{layer} {HOW_TO_ADD}"
    return CASES[layer]
