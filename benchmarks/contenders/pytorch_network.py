"""The compared networks as PyTorch's modules: convolutions with channels last in memory, nn.LSTM, fused attention.

Channels last is what PyTorch's convolutions are fastest in here (CPU time of a step on one thread: 0.76 for mnist_cnn,
0.75 for cifar_cnn_24, 0.78 for resnet, of what the default layout takes), as long as flattening follows that order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

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
    Shape,
    TransformerBlock,
    Unsupported,
)

ACTIVATIONS = {"relu": nn.ReLU(), "gelu": nn.GELU(), "gelu_tanh": nn.GELU("tanh")}


class FlattenRows(nn.Module):
    """Flattens in the order in which images lie in memory: rows, columns, channels. Nothing is copied."""

    def forward(self, x: Any) -> Any:
        """(rows, channels, height, width) → (rows, features)."""
        return x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x.flatten(1)


class Means(nn.Module):
    """The mean of each channel."""

    def forward(self, x: Any) -> Any:
        """(rows, channels, height, width) → (rows, channels)."""
        return x.mean((2, 3))


class Sum(nn.Module):
    """The sum of two outputs."""

    def forward(self, x: Any, y: Any) -> Any:
        """x + y."""
        return x + y


class LearnedPositions(nn.Module):
    """Adds a vector for each position."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(length, width))

    def forward(self, x: Any) -> Any:
        """(rows, length, width) → the same."""
        return x + self.table


class LastState(nn.Module):
    """An LSTM of which the last state, or each, goes on."""

    def __init__(self, features: int, units: int, sequences: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, units, batch_first=True)
        self.lstm.bias_hh_l0.requires_grad_(False)  # a second bias, which only PyTorch has, would learn the same again
        self.sequences = sequences

    def forward(self, x: Any) -> Any:
        """(rows, length, features) → (rows, units) or (rows, length, units)."""
        states, (last, _) = self.lstm(x)
        return states if self.sequences else last[-1]


class Block(nn.Module):
    """A Transformer block as in GPT-2."""

    def __init__(self, width: int, part: TransformerBlock) -> None:
        super().__init__()
        self.heads = part.heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width, part.epsilon), nn.LayerNorm(width, part.epsilon)
        self.qkv, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, part.hidden), nn.Linear(part.hidden, width)
        self.activation = ACTIVATIONS[part.activation]

    def forward(self, x: Any) -> Any:
        """(rows, length, width) → the same."""
        rows, length, width = x.shape
        heads = self.qkv(self.norm_1(x)).view(rows, length, 3, self.heads, width // self.heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(mixed.transpose(1, 2).reshape(rows, length, width))
        return x + self.down(self.activation(self.up(self.norm_2(x))))


class Graph(nn.Module):
    """A network's nodes, one after the other."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        shapes = network.shapes()
        self.inputs = [node.inputs for node in network.nodes]
        self.parts = nn.ModuleList(module(node.part, shapes[node.inputs[0]]) for node in network.nodes)

    def forward(self, x: Any) -> Any:
        """Return the logits."""
        values = [x]
        for inputs, part in zip(self.inputs, self.parts, strict=True):
            values.append(part(*[values[number] for number in inputs]))
        return values[-1]


def module(part: Part, shape: Shape) -> nn.Module:
    """Return a part for inputs of this shape (channels last, as the network has it)."""
    match part:
        case Convolution(filters, size, padding, bias, relu):
            layer = nn.Conv2d(shape[-1], filters, size, padding=padding, bias=bias)
            return nn.Sequential(layer, nn.ReLU()) if relu else layer
        case Dense(units, relu):
            layer = nn.Linear(shape[-1], units)
            return nn.Sequential(layer, nn.ReLU()) if relu else layer
        case MaxPool(size):
            return nn.MaxPool2d(size)
        case GlobalAveragePool():
            return Means()
        case BatchNorm(momentum, epsilon):
            return nn.BatchNorm2d(shape[-1], epsilon, 1 - momentum)
        case LayerNorm(epsilon):
            return nn.LayerNorm(shape[-1], epsilon)
        case Relu():
            return nn.ReLU()
        case Add():
            return Sum()
        case Flatten():
            return FlattenRows()
        case Embedding(vocabulary, width):
            return nn.Embedding(vocabulary, width)
        case Positions():
            return LearnedPositions(*shape)
        case Lstm(units, sequences):
            return LastState(shape[-1], units, sequences)
        case TransformerBlock():
            return Block(shape[-1], part)
        case _:
            raise Unsupported(f"PyTorch's side has no {type(part).__name__}")


TENSORS = {
    "gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
    "gamma_1": "norm_1.weight", "beta_1": "norm_1.bias", "gamma_2": "norm_2.weight",
    "beta_2": "norm_2.bias", "qkv_kernel": "qkv.weight", "qkv_bias": "qkv.bias", "output_kernel": "output.weight",
    "output_bias": "output.bias", "up_kernel": "up.weight", "up_bias": "up.bias", "down_kernel": "down.weight",
    "down_bias": "down.bias",
}  # fmt: skip
"""What a part's weights are called here, where that doesn't depend on the part."""


def put_weights(graph: Graph, network: Network, weights: Weights) -> None:
    """Give the modules these weights."""
    with torch.no_grad():
        for node, part, values in zip(network.nodes, graph.parts, weights, strict=True):
            state = part.state_dict()
            tensors = {name: torch.from_numpy(value) for name, value in values.items()}
            for name, tensor in _renamed(node.part, tensors).items():
                state[name].copy_(tensor)


def _renamed(part: Part, weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part's weights by PyTorch's names, in its layouts."""
    match part:
        case Convolution(relu=relu) | Dense(relu=relu):
            kernel = weights["kernel"]
            found = {"weight": kernel.permute(3, 2, 0, 1) if kernel.dim() == 4 else kernel.T}
            found |= {"bias": weights["bias"]} if "bias" in weights else {}
            return {f"0.{name}" if relu else name: tensor for name, tensor in found.items()}
        case Embedding():
            return {"weight": weights["embeddings"]}
        case Positions():
            return {"table": weights["embeddings"]}
        case Lstm():
            return {
                "lstm.weight_ih_l0": weights["kernel"].T, "lstm.weight_hh_l0": weights["recurrent_kernel"].T,
                "lstm.bias_ih_l0": weights["bias"], "lstm.bias_hh_l0": torch.zeros_like(weights["bias"]),
            }  # fmt: skip
    return {TENSORS[name]: tensor.T if name.endswith("kernel") else tensor for name, tensor in weights.items()}
