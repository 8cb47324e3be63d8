"""The compared networks as Keras's models."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from typing import Any

import keras
import numpy as np

from benchmarks.network import Network, Weights
from benchmarks.parts import (
    Add,
    BatchNorm,
    Convolution,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePool,
    LayerNorm,
    Lstm,
    MaxPool,
    Part,
    Positions,
    Relu,
    TransformerBlock,
    Unsupported,
)


@keras.saving.register_keras_serializable()
class LearnedPositions(keras.layers.Layer):
    """Adds a learned vector for each position."""

    def build(self, shape: Any) -> None:
        """Make the table."""
        self.table = self.add_weight(shape=shape[1:], name="embeddings")

    def call(self, x: Any) -> Any:
        """(rows, length, width) → the same."""
        return x + self.table


class Block(keras.layers.Layer):
    """A Transformer block as in GPT-2, of Keras's own layers."""

    def __init__(self, part: TransformerBlock, width: int) -> None:
        super().__init__()
        self.norm_1 = keras.layers.LayerNormalization(epsilon=part.epsilon)
        self.norm_2 = keras.layers.LayerNormalization(epsilon=part.epsilon)
        self.attention = keras.layers.MultiHeadAttention(part.heads, width // part.heads)
        approximate = part.activation == "gelu_tanh"
        self.up = keras.layers.Dense(
            part.hidden,
            activation="relu" if part.activation == "relu" else lambda x: keras.ops.gelu(x, approximate=approximate),
        )
        self.down = keras.layers.Dense(width)

    def call(self, x: Any) -> Any:
        """(rows, length, width) → the same."""
        y = self.norm_1(x)
        x = x + self.attention(y, y, use_causal_mask=True)
        return x + self.down(self.up(self.norm_2(x)))


def build(network: Network) -> tuple[keras.Model, list[Any]]:
    """Return the model from inputs to logits, and the layer of each node."""
    images = len(network.shape) == 3
    shapes = network.shapes()
    values = [keras.Input(network.shape, dtype="float32" if images else "int32")]
    layers = []
    for node in network.nodes:
        layer = _layer(node.part, shapes[node.inputs[0]][-1])
        inputs = [values[number] for number in node.inputs]
        values.append(layer(inputs if len(inputs) > 1 else inputs[0]))
        layers.append(layer)
    return keras.Model(values[0], values[-1]), layers


def _layer(part: Part, width: int) -> Any:
    match part:
        case Convolution(filters, size, padding, bias, relu):
            activation = "relu" if relu else None
            return keras.layers.Conv2D(filters, size, padding=padding, use_bias=bias, activation=activation)
        case Dense(units, relu):
            return keras.layers.Dense(units, activation="relu" if relu else None)
        case MaxPool(size):
            return keras.layers.MaxPooling2D(size)
        case GlobalAveragePool():
            return keras.layers.GlobalAveragePooling2D()
        case BatchNorm(momentum, epsilon):
            return keras.layers.BatchNormalization(momentum=momentum, epsilon=epsilon)
        case LayerNorm(epsilon):
            return keras.layers.LayerNormalization(epsilon=epsilon)
        case Relu():
            return keras.layers.ReLU()
        case Add():
            return keras.layers.Add()
        case Flatten():
            return keras.layers.Flatten()
        case Embedding(vocabulary, size):
            return keras.layers.Embedding(vocabulary, size)
        case Positions():
            return LearnedPositions()
        case Lstm(units, sequences):
            return keras.layers.LSTM(units, return_sequences=sequences)
        case TransformerBlock():
            return Block(part, width)
        case _:
            raise Unsupported(f"Keras's side has no {type(part).__name__}")


def put_weights(layers: list[Any], network: Network, weights: Weights) -> None:
    """Give the layers these weights."""
    for node, layer, values in zip(network.nodes, layers, weights, strict=True):
        if isinstance(node.part, TransformerBlock):
            _put_block(layer, node.part.heads, values)
        elif values:
            layer.set_weights(list(values.values()))


def _put_block(block: Block, heads: int, w: dict[str, Any]) -> None:
    """Give a block its weights: Keras keeps queries, keys and values apart, each (width, heads, width / heads)."""
    width = len(w["gamma_1"])
    attention = []
    for kernel, bias in zip(np.split(w["qkv_kernel"], 3, axis=1), np.split(w["qkv_bias"], 3), strict=True):
        attention += [kernel.reshape(width, heads, -1), bias.reshape(heads, -1)]
    attention += [w["output_kernel"].reshape(heads, -1, width), w["output_bias"]]
    block.attention.set_weights(attention)
    block.norm_1.set_weights([w["gamma_1"], w["beta_1"]])
    block.norm_2.set_weights([w["gamma_2"], w["beta_2"]])
    block.up.set_weights([w["up_kernel"], w["up_bias"]])
    block.down.set_weights([w["down_kernel"], w["down_bias"]])
