"""Keras on TensorFlow: the model, loss and optimizer are Keras's, a step of them is one compiled function.

`fit` takes 1.3 to 3 times as long here (mlp 3.0 ms a step, mnist_cnn 21, cifar_cnn_24 61, lstm 40, where these steps
take 1.1, 16, 31 and 32), and compilation by XLA, which `fit` doesn't choose by itself on a CPU, makes convolutions
slower.
"""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.keras_network import build, put_weights  # isort: skip  (chooses the backend before Keras)

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contender import Array, Contender, Job, softmax
from benchmarks.network import Adam, draw
from benchmarks.rows import Batches, Slices, read_rows


class KerasOnTensorFlow(Contender):
    """One `tf.function` a step, over tensors in memory."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        tf.config.threading.set_intra_op_parallelism_threads(job.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        rows = read_rows(job.data)
        self.batches, self.slices = Batches(rows.count, job.batch), Slices(rows.count, job.batch)
        self.inputs, self.labels = tf.constant(rows.inputs), tf.constant(rows.labels)
        self.model, layers = build(self.network)
        put_weights(layers, self.network, draw(self.network))
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        rule = self.network.optimizer
        self.optimizer = (
            keras.optimizers.Adam(rule.learning_rate)
            if isinstance(rule, Adam)
            else keras.optimizers.SGD(rule.learning_rate, float(rule.momentum))
        )
        self.optimizer.build(self.model.trainable_variables)
        self.train_step, self.evaluation_step = self._make_steps()

    def _make_steps(self) -> tuple[Any, Any]:
        @tf.function
        def train(rows: Any) -> None:
            x, y = tf.gather(self.inputs, rows), tf.gather(self.labels, rows)
            with tf.GradientTape() as tape:
                loss = self.loss(y, self.model(x, training=True))
            weights = self.model.trainable_variables
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

        @tf.function
        def evaluate(sums: Any, first: Any) -> Any:
            x, y = (array[first : first + self.job.batch] for array in (self.inputs, self.labels))
            z = self.model(x, training=False)
            right = tf.cast(tf.argmax(z, -1) == y, tf.float32)
            return sums + tf.stack([self.loss(y, z), tf.reduce_mean(right)])

        return train, evaluate

    def versions(self) -> str:
        """Return both versions."""
        return f"{keras.__version__} on TensorFlow {tf.__version__}"

    def run(self, steps: int) -> None:
        """Train or evaluate step by step."""
        if not self.trains:
            self.evaluate(steps)
            return
        for _ in range(steps):
            self.train_step(tf.constant(self.batches.next()))

    def evaluate(self, steps: int) -> tuple[float, float]:
        """Return the mean loss and the accuracy."""
        sums = tf.zeros(2)
        for _ in range(steps):
            sums = self.evaluation_step(sums, tf.constant(self.slices.next().start))
        loss, right = np.asarray(sums) / steps
        return float(loss), float(right)

    def parameters(self) -> int:
        """Return the count of the trainable weights."""
        return sum(int(np.prod(weight.shape)) for weight in self.model.trainable_weights)

    def probabilities(self, rows: int) -> Array:
        """Return the probabilities of the first rows."""
        return softmax(np.asarray(self.model(self.inputs[:rows], training=False)))
