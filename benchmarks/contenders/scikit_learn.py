"""scikit-learn's MLPClassifier, which knows fully connected networks only."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from benchmarks.contender import Array, Contender, Job
from benchmarks.network import Sgd
from benchmarks.parts import Dense, Flatten, Unsupported
from benchmarks.rows import Slices, read_rows


class ScikitLearn(Contender):
    """`partial_fit` over as many rows as the steps need: it goes through them batch by batch."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        dense = [node.part for node in self.network.nodes if isinstance(node.part, Dense)]
        if len(dense) + sum(isinstance(node.part, Flatten) for node in self.network.nodes) != len(self.network.nodes):
            raise Unsupported("MLPClassifier has dense layers only")
        rows = read_rows(job.data)
        self.images, self.labels = rows.inputs.reshape(rows.count, -1), rows.labels
        self.slices = Slices(rows.count, job.batch)
        rule = self.network.optimizer
        solver: dict[str, Any] = {"solver": "adam"}
        if isinstance(rule, Sgd):
            solver = {"solver": "sgd", "momentum": rule.momentum, "nesterovs_momentum": False}
        self.model = MLPClassifier(
            [part.units for part in dense[:-1]], alpha=0.0, batch_size=job.batch,
            learning_rate_init=rule.learning_rate, random_state=0, **solver,
        )  # fmt: skip
        self.classes = np.arange(dense[-1].units)
        if not self.trains:
            self.model.partial_fit(self.images[: job.batch], self.labels[: job.batch], classes=self.classes)

    def versions(self) -> str:
        """Return scikit-learn's version."""
        return str(sklearn.__version__)

    def run(self, steps: int) -> None:
        """Train on whole passes over the rows, and what remains of the steps; or evaluate."""
        if not self.trains:
            self.evaluate(steps)
            return
        per_pass = len(self.images) // self.job.batch
        for first in range(0, steps, per_pass):
            rows = min(per_pass, steps - first) * self.job.batch
            self.model.partial_fit(self.images[:rows], self.labels[:rows], classes=self.classes)

    def evaluate(self, steps: int) -> tuple[float, float]:
        """Return the mean loss and the accuracy."""
        loss = right = 0.0
        for _ in range(steps):
            rows = self.slices.next()
            found, labels = self.probabilities_of(self.images[rows]), self.labels[rows]
            loss -= float(np.log(found[np.arange(len(labels)), labels]).mean())
            right += float((found.argmax(1) == labels).mean())
        return loss / steps, right / steps

    def probabilities_of(self, images: Array) -> Array:
        """Return the classes' probabilities."""
        return np.asarray(self.model.predict_proba(images))
