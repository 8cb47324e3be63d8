"""JAX: a jitted step over arrays in memory, with optax's optimizers."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.contender import Array, Contender, Job, softmax
from benchmarks.contenders.jax_network import Arrays, logits, put_weights
from benchmarks.network import Adam, Network, draw
from benchmarks.rows import Batches, Slices, read_rows


def make_steps(network: Network, optimizer: Any) -> tuple[Any, Any]:
    """Return the jitted functions that train on a batch and that evaluate one; what they change is donated."""

    def loss_of(weights: Arrays, moving: Arrays, x: Any, y: Any) -> tuple[Any, Arrays]:
        z, moving = logits(network, weights, moving, x, True)
        return optax.softmax_cross_entropy_with_integer_labels(z, y).mean(), moving

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def train(weights: Arrays, moving: Arrays, state: Any, inputs: Any, labels: Any, rows: Any) -> Any:
        gradients, moving = jax.grad(loss_of, has_aux=True)(weights, moving, inputs[rows], labels[rows])
        changes, state = optimizer.update(gradients, state)
        return optax.apply_updates(weights, changes), moving, state

    @partial(jax.jit, donate_argnums=(2,), static_argnums=(6,))
    def evaluate(weights: Arrays, moving: Arrays, sums: Any, inputs: Any, labels: Any, first: Any, batch: int) -> Any:
        x = jax.lax.dynamic_slice_in_dim(inputs, first, batch)
        y = jax.lax.dynamic_slice_in_dim(labels, first, batch)
        z, _ = logits(network, weights, moving, x, False)
        loss = optax.softmax_cross_entropy_with_integer_labels(z, y).mean()
        return sums[0] + loss, sums[1] + (z.argmax(-1) == y).mean()

    return train, evaluate


class JaxJit(Contender):
    """One jitted function a step, its state donated."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        rows = read_rows(job.data)
        self.batches, self.slices = Batches(rows.count, job.batch), Slices(rows.count, job.batch)
        self.inputs, self.labels = jnp.asarray(rows.inputs), jnp.asarray(rows.labels, jnp.int32)
        rule = self.network.optimizer
        optimizer = (
            optax.adam(rule.learning_rate)
            if isinstance(rule, Adam)
            else optax.sgd(rule.learning_rate, rule.momentum or None)
        )
        self.weights, self.moving = put_weights(draw(self.network))
        self.state = optimizer.init(self.weights)
        self.train_step, self.evaluation_step = make_steps(self.network, optimizer)

    def versions(self) -> str:
        """Return JAX's version."""
        return str(jax.__version__)

    def run(self, steps: int) -> None:
        """Train or evaluate step by step, and wait for the last one."""
        if not self.trains:
            self.evaluate(steps)
            return
        for _ in range(steps):
            rows = self.batches.next()
            self.weights, self.moving, self.state = self.train_step(
                self.weights, self.moving, self.state, self.inputs, self.labels, rows
            )
        jax.block_until_ready(self.weights)

    def evaluate(self, steps: int) -> tuple[float, float]:
        """Return the mean loss and the accuracy."""
        sums = (jnp.zeros(()), jnp.zeros(()))
        for _ in range(steps):
            first = self.slices.next().start
            sums = self.evaluation_step(
                self.weights, self.moving, sums, self.inputs, self.labels, first, self.job.batch
            )
        return float(sums[0]) / steps, float(sums[1]) / steps

    def parameters(self) -> int:
        """Return the count of the weights."""
        return sum(int(array.size) for array in jax.tree.leaves(self.weights))

    def probabilities(self, rows: int) -> Array:
        """Return the probabilities of the first rows."""
        found, _ = jax.jit(logits, static_argnums=(0, 4))(
            self.network, self.weights, self.moving, self.inputs[:rows], False
        )
        return softmax(np.asarray(found))
