"""PyTorch, step by step, with the fused optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.contender import Array, Contender, Job, softmax
from benchmarks.contenders.pytorch_network import Graph, put_weights
from benchmarks.network import Adam, draw
from benchmarks.rows import Batches, Slices, read_rows


class PyTorchEager(Contender):
    """A plain loop over tensors in memory: float32, images with channels last, no data loader."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        torch.set_num_threads(job.threads)
        rows = read_rows(job.data)
        self.inputs, self.labels = torch.from_numpy(rows.inputs), torch.from_numpy(rows.labels)
        if self.inputs.dim() == 4:
            self.inputs = self.inputs.permute(0, 3, 1, 2)  # a view: the channels stay last in memory
        self.batches, self.slices = Batches(rows.count, job.batch), Slices(rows.count, job.batch)
        self.module = Graph(self.network).to(memory_format=torch.channels_last).train(self.trains)
        put_weights(self.module, self.network, draw(self.network))
        self.model: Callable[[Any], Any] = self.module
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = self._optimizer(self._trained())

    def _trained(self) -> list[Any]:
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    def _optimizer(self, parameters: list[Any]) -> torch.optim.Optimizer:
        rule = self.network.optimizer
        if isinstance(rule, Adam):
            return torch.optim.Adam(parameters, rule.learning_rate, fused=True)
        return torch.optim.SGD(parameters, rule.learning_rate, rule.momentum, fused=True)

    def versions(self) -> str:
        """Return PyTorch's version."""
        return str(torch.__version__)

    def run(self, steps: int) -> None:
        """Train or evaluate step by step."""
        if self.trains:
            for _ in range(steps):
                self._train_step()
        else:
            self.evaluate(steps)

    def _train_step(self) -> None:
        rows = torch.from_numpy(self.batches.next())
        self.optimizer.zero_grad()
        loss = self._loss(self.model(self.inputs[rows]), self.labels[rows])
        loss.backward()
        self.optimizer.step()

    def _loss(self, logits: Any, labels: Any) -> Any:
        return self.loss(logits.flatten(0, -2), labels.flatten())

    def evaluate(self, steps: int) -> tuple[float, float]:
        """Return the mean loss and the accuracy."""
        loss, right, count = torch.zeros(()), torch.zeros((), dtype=torch.int64), 0
        with torch.inference_mode():
            for _ in range(steps):
                rows = self.slices.next()
                logits, labels = self.model(self.inputs[rows]), self.labels[rows]
                loss += self._loss(logits, labels)
                right += (logits.argmax(-1) == labels).sum()
                count += labels.numel()
        return float(loss) / steps, float(right) / count

    def parameters(self) -> int:
        """Return the count of those that are trained."""
        return sum(parameter.numel() for parameter in self._trained())

    def probabilities(self, rows: int) -> Array:
        """Return the probabilities of the first rows."""
        self.module.eval()
        with torch.inference_mode():
            logits = self.module(self.inputs[:rows])
        self.module.train(self.trains)
        return softmax(np.asarray(logits))
