"""The compared networks as a function of JAX: channels last, the LSTM as a scan, XLA's attention."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

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

Arrays = list[dict[str, Any]]
"""The trained weights, or the moving statistics, of each node by their names."""
FORM = ("NHWC", "HWIO", "NHWC")


def put_weights(weights: Weights) -> tuple[Arrays, Arrays]:
    """Return the trained weights and the moving statistics as JAX's arrays."""
    trained = [{n: jnp.asarray(w) for n, w in node.items() if not n.startswith("moving_")} for node in weights]
    moving = [{n: jnp.asarray(w) for n, w in node.items() if n.startswith("moving_")} for node in weights]
    return trained, moving


def logits(network: Network, weights: Arrays, moving: Arrays, x: Any, trains: bool) -> tuple[Any, Arrays]:
    """Return the network's output for inputs (rows, ...), and the moving statistics after it."""
    values, moved = [x], []
    for node, own, kept in zip(network.nodes, weights, moving, strict=True):
        inputs = [values[number] for number in node.inputs]
        if isinstance(node.part, BatchNorm):
            y, kept = _batch_norm(node.part, own, kept, inputs[0], trains)
        else:
            y = _apply(node.part, own, *inputs)
        values.append(y)
        moved.append(kept)
    return values[-1], moved


def _apply(part: Part, w: dict[str, Any], x: Any, *others: Any) -> Any:
    match part:
        case Convolution(_, _, padding, _, relu):
            y = jax.lax.conv_general_dilated(x, w["kernel"], (1, 1), padding.upper(), dimension_numbers=FORM)
            y = y + w["bias"] if "bias" in w else y
            return jax.nn.relu(y) if relu else y
        case Dense(_, relu):
            y = x @ w["kernel"] + w["bias"]
            return jax.nn.relu(y) if relu else y
        case MaxPool(size):
            window = (1, size, size, 1)
            return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
        case GlobalAveragePool():
            return x.mean((1, 2))
        case LayerNorm(epsilon):
            return _layer_norm(x, w["gamma"], w["beta"], epsilon)
        case Relu():
            return jax.nn.relu(x)
        case Add():
            return x + others[0]
        case Flatten():
            return x.reshape(len(x), -1)
        case Embedding():
            return w["embeddings"][x]
        case Positions():
            return x + w["embeddings"]
        case Lstm(units, sequences):
            return _lstm(w, x, units, sequences)
        case TransformerBlock():
            return _block(part, w, x)
        case _:
            raise Unsupported(f"JAX's side has no {type(part).__name__}")


def _batch_norm(part: BatchNorm, w: dict[str, Any], kept: dict[str, Any], x: Any, trains: bool) -> tuple[Any, Any]:
    mean, variance = kept["moving_mean"], kept["moving_variance"]
    if trains:
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes)
        share = 1 - part.momentum
        kept = {
            "moving_mean": kept["moving_mean"] * part.momentum + mean * share,
            "moving_variance": kept["moving_variance"] * part.momentum + variance * share,
        }
    factor = w["gamma"] * jax.lax.rsqrt(variance + part.epsilon)
    return (x - mean) * factor + w["beta"], kept


def _layer_norm(x: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + epsilon) * gamma + beta


def _lstm(w: dict[str, Any], x: Any, units: int, sequences: bool) -> Any:
    """The input's product comes first, for all times at once; the state's is in the scan."""
    products = jnp.swapaxes(x @ w["kernel"] + w["bias"], 0, 1)

    def step(carry: tuple[Any, Any], product: Any) -> tuple[tuple[Any, Any], Any]:
        h, c = carry
        i, f, g, o = jnp.split(product + h @ w["recurrent_kernel"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h if sequences else None

    zeros = jnp.zeros((x.shape[0], units), x.dtype)
    (last, _), states = jax.lax.scan(step, (zeros, zeros), products)
    return jnp.swapaxes(states, 0, 1) if sequences else last


def _block(part: TransformerBlock, w: dict[str, Any], x: Any) -> Any:
    rows, length, width = x.shape
    y = _layer_norm(x, w["gamma_1"], w["beta_1"], part.epsilon) @ w["qkv_kernel"] + w["qkv_bias"]
    q, k, v = (h.reshape(rows, length, part.heads, width // part.heads) for h in jnp.split(y, 3, axis=-1))
    mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape)
    x = x + mixed @ w["output_kernel"] + w["output_bias"]
    y = _layer_norm(x, w["gamma_2"], w["beta_2"], part.epsilon) @ w["up_kernel"] + w["up_bias"]
    y = jax.nn.relu(y) if part.activation == "relu" else jax.nn.gelu(y, approximate=part.activation == "gelu_tanh")
    return x + y @ w["down_kernel"] + w["down_bias"]
