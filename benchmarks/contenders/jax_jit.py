"""JAX: a jitted step over arrays in memory, with optax's optimizers."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.contender import Contender, Job
from benchmarks.data import Batches, read_images
from benchmarks.network import Adam, Convolution, Dense, Flatten, MaxPool, Network, network_of, read_config

Weights = list[tuple[Any, Any]]


def draw_weights(network: Network, shape: tuple[int, ...]) -> Weights:
    """Return weights (Glorot uniform) and zero biases for images of this shape (height, width, channels)."""
    generator = np.random.default_rng(0)
    height, width, channels = shape
    weights: Weights = []
    size = 0

    def add(*kernel: int) -> None:
        taps = int(np.prod(kernel[:-2]))
        limit = np.sqrt(6 / (taps * (kernel[-2] + kernel[-1])))
        weights.append((jnp.asarray(generator.uniform(-limit, limit, kernel), jnp.float32), jnp.zeros(kernel[-1])))

    for part in network.parts:
        match part:
            case Convolution(filters, window, padding):
                add(window, window, channels, filters)
                channels = filters
                if padding == "valid":
                    height, width = height - window + 1, width - window + 1
            case MaxPool(window):
                height, width = height // window, width // window
            case Flatten():
                size = height * width * channels
            case Dense(units, _):
                add(size, units)
                size = units
    return weights


def logits(network: Network, weights: Weights, x: Any) -> Any:
    """Return the network's output for images (rows, height, width, channels)."""
    rest = iter(weights)
    for part in network.parts:
        match part:
            case Convolution(_, _, padding):
                w, b = next(rest)
                form = ("NHWC", "HWIO", "NHWC")
                x = jax.nn.relu(jax.lax.conv_general_dilated(x, w, (1, 1), padding.upper(), dimension_numbers=form) + b)
            case MaxPool(size):
                window = (1, size, size, 1)
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
            case Flatten():
                x = x.reshape(len(x), -1)
            case Dense(_, relu):
                w, b = next(rest)
                x = x @ w + b
                x = jax.nn.relu(x) if relu else x
    return x


class JaxJit(Contender):
    """One jitted function a step, its state donated."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        network = network_of(read_config(job.config).config)
        data = read_images(job.images)
        self.batches = Batches(data.rows, job.batch)
        self.images, self.labels = jnp.asarray(data.images), jnp.asarray(data.labels, jnp.int32)
        rule = network.optimizer
        optimizer = (
            optax.adam(rule.learning_rate)
            if isinstance(rule, Adam)
            else optax.sgd(rule.learning_rate, rule.momentum or None)
        )
        self.weights = draw_weights(network, data.images.shape[1:])
        self.state = optimizer.init(self.weights)

        def loss_of(weights: Weights, x: Any, y: Any) -> Any:
            return optax.softmax_cross_entropy_with_integer_labels(logits(network, weights, x), y).mean()

        @partial(jax.jit, donate_argnums=(0, 1))
        def step(weights: Weights, state: Any, images: Any, labels: Any, rows: Any) -> Any:
            gradients = jax.grad(loss_of)(weights, images[rows], labels[rows])
            changes, state = optimizer.update(gradients, state)
            return optax.apply_updates(weights, changes), state

        self.train_step = step

    def versions(self) -> str:
        """Return JAX's version."""
        return str(jax.__version__)

    def run(self, steps: int) -> None:
        """Train step by step, and wait for the last one."""
        for _ in range(steps):
            rows = self.batches.next()
            self.weights, self.state = self.train_step(self.weights, self.state, self.images, self.labels, rows)
        jax.block_until_ready(self.weights)
