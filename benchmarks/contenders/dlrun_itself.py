"""dlrun, through the session and the executor that `dlrun train` uses."""

from __future__ import annotations

import numpy as np

import dlrun
from benchmarks.contender import Contender, Job
from benchmarks.data import overrides
from benchmarks.network import read_config
from dlrun.data.load import load
from dlrun.data.random import permutation
from dlrun.training.session import Session
from dlrun.training.steps import step_table


class Dlrun(Contender):
    """Whole epochs, or what remains of the steps, as calls of the executor."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        loaded = read_config(job.config, overrides(job.images, job.batch, job.threads))
        self.config = loaded.config
        self.session = Session(loaded.config, loaded.layer_paths, load(loaded.config.data, loaded.config.seed))
        self.rows = self.session.split("train").rows
        self.executor = self.session.start_training()
        self.step = 0

    def versions(self) -> str:
        """Return dlrun's version."""
        return dlrun.__version__

    def run(self, steps: int) -> None:
        """Train epoch by epoch; each draws its order of the rows, as in a run."""
        end, per_epoch = self.step + steps, self.rows // self.job.batch
        while self.step < end:
            epoch = self.step // per_epoch
            self.executor.data["order"][:] = permutation(self.rows, self.config.seed, f"shuffle/{epoch}")
            table = step_table(epoch * per_epoch, self.rows, self.job.batch, drop_last=True)
            table = table[self.step - epoch * per_epoch :][: end - self.step]
            rates = np.full(len(table), self.config.optimizer.learning_rate)
            outcome = self.executor.run(table, self.config.optimizer.scalars(table[:, 1], rates))
            if not outcome.finished:
                raise ArithmeticError(f"the loss is not finite any more at step {self.step + outcome.steps}")
            self.step += len(table)
