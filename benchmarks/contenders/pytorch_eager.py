"""PyTorch, step by step, with the fused optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.contender import Contender, Job
from benchmarks.data import Batches, read_images
from benchmarks.network import Adam, Convolution, Dense, Flatten, MaxPool, Network, network_of, read_config


def build(network: Network, channels: int, height: int, width: int) -> nn.Sequential:
    """Return the network for images (channels, height, width), up to the logits."""
    layers: list[nn.Module] = []
    size = 0
    for part in network.parts:
        match part:
            case Convolution(filters, window, padding):
                layers += [nn.Conv2d(channels, filters, window, padding=padding), nn.ReLU()]
                channels = filters
                if padding == "valid":
                    height, width = height - window + 1, width - window + 1
            case MaxPool(window):
                layers.append(nn.MaxPool2d(window))
                height, width = height // window, width // window
            case Flatten():
                layers.append(nn.Flatten())
                size = channels * height * width
            case Dense(units, relu):
                layers += [nn.Linear(size, units), *([nn.ReLU()] if relu else [])]
                size = units
    return nn.Sequential(*layers)


class PyTorchEager(Contender):
    """A plain training loop over tensors in memory: the usual layout (channels first), float32, no data loader."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        torch.set_num_threads(job.threads)
        torch.manual_seed(0)
        network = network_of(read_config(job.config).config)
        data = read_images(job.images)
        self.images = torch.from_numpy(data.images).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.from_numpy(data.labels)
        self.batches = Batches(data.rows, job.batch)
        self.model: Callable[[Any], Any] = build(network, *self.images.shape[1:])
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = self._optimizer(network, list(self.model.parameters()))

    def _optimizer(self, network: Network, parameters: list[Any]) -> torch.optim.Optimizer:
        rule = network.optimizer
        if isinstance(rule, Adam):
            return torch.optim.Adam(parameters, rule.learning_rate, fused=True)
        return torch.optim.SGD(parameters, rule.learning_rate, rule.momentum, fused=True)

    def versions(self) -> str:
        """Return PyTorch's version."""
        return str(torch.__version__)

    def run(self, steps: int) -> None:
        """Train step by step."""
        for _ in range(steps):
            rows = torch.from_numpy(self.batches.next())
            self.optimizer.zero_grad()
            loss = self.loss(self.model(self.images[rows]), self.labels[rows])
            loss.backward()
            self.optimizer.step()
