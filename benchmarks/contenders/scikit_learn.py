"""scikit-learn's MLPClassifier, which knows fully connected networks only."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from benchmarks.contender import Contender, Job
from benchmarks.data import read_images
from benchmarks.network import Dense, Flatten, Sgd, Unsupported, network_of, read_config


class ScikitLearn(Contender):
    """`partial_fit` over as many rows as the steps need: it goes through them batch by batch."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        network = network_of(read_config(job.config).config)
        dense = [part for part in network.parts if isinstance(part, Dense)]
        if len(dense) + sum(isinstance(part, Flatten) for part in network.parts) != len(network.parts):
            raise Unsupported("MLPClassifier has dense layers only")
        data = read_images(job.images)
        self.images, self.labels = data.images.reshape(data.rows, -1), data.labels
        rule = network.optimizer
        solver: dict[str, Any] = {"solver": "adam"}
        if isinstance(rule, Sgd):
            solver = {"solver": "sgd", "momentum": rule.momentum, "nesterovs_momentum": False}
        self.model = MLPClassifier(
            [part.units for part in dense[:-1]], alpha=0.0, batch_size=job.batch,
            learning_rate_init=rule.learning_rate, random_state=0, **solver,
        )  # fmt: skip
        self.classes = np.arange(data.classes)

    def versions(self) -> str:
        """Return scikit-learn's version."""
        return str(sklearn.__version__)

    def run(self, steps: int) -> None:
        """Train on whole passes over the rows, and what remains of the steps."""
        per_pass = len(self.images) // self.job.batch
        for first in range(0, steps, per_pass):
            rows = min(per_pass, steps - first) * self.job.batch
            self.model.partial_fit(self.images[:rows], self.labels[:rows], classes=self.classes)
