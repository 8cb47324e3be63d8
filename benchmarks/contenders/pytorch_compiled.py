"""PyTorch with torch.compile: needs a C++ compiler on the machine."""

from __future__ import annotations

import torch

from benchmarks.contender import Job
from benchmarks.contenders.pytorch_eager import PyTorchEager


class PyTorchCompiled(PyTorchEager):
    """The same loop; the model's forward and backward passes are compiled on the first step."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.model = torch.compile(self.module)
