"""Keras on TensorFlow, through `fit` over arrays in memory."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf

from benchmarks.contender import Contender, Job
from benchmarks.data import read_images
from benchmarks.network import Adam, Convolution, Dense, Flatten, MaxPool, Network, Part, network_of, read_config


def layer_of(part: Part) -> keras.Layer:
    """Return a part of the network as Keras has it."""
    match part:
        case Convolution(filters, size, padding):
            return keras.layers.Conv2D(filters, size, padding=padding, activation="relu")
        case MaxPool(size):
            return keras.layers.MaxPooling2D(size)
        case Flatten():
            return keras.layers.Flatten()
        case Dense(units, relu):
            return keras.layers.Dense(units, activation="relu" if relu else None)


class KerasOnTensorFlow(Contender):
    """`fit`, with Keras's own choice of compilation."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        tf.config.threading.set_intra_op_parallelism_threads(job.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        keras.utils.set_random_seed(0)
        network = network_of(read_config(job.config).config)
        data = read_images(job.images)
        self.model = keras.Sequential([keras.Input(data.images.shape[1:]), *map(layer_of, network.parts)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(self._optimizer(network), loss)
        self.images, self.labels = data.images, data.labels

    def _optimizer(self, network: Network) -> keras.Optimizer:
        rule = network.optimizer
        if isinstance(rule, Adam):
            return keras.optimizers.Adam(rule.learning_rate)
        return keras.optimizers.SGD(rule.learning_rate, rule.momentum)

    def versions(self) -> str:
        """Return both versions."""
        return f"{keras.__version__} on TensorFlow {tf.__version__}"

    def run(self, steps: int) -> None:
        """Call `fit` on whole passes over the rows, and on what remains of the steps."""
        per_pass = len(self.images) // self.job.batch
        for first in range(0, steps, per_pass):
            rows = min(per_pass, steps - first) * self.job.batch
            self.model.fit(self.images[:rows], self.labels[:rows], batch_size=self.job.batch, epochs=1, verbose=0)
