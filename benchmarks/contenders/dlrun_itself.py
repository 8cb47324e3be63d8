"""dlrun, through the session and the executors that `dlrun train` and `dlrun evaluate` use."""

from __future__ import annotations

import numpy as np

import dlrun
from benchmarks.contender import Array, Contender, Job
from benchmarks.data import overrides, read_dataset
from benchmarks.network import Weights, draw
from benchmarks.parts import TransformerBlock
from benchmarks.reading import read_config
from dlrun.compiler.graph import node_names
from dlrun.executor.ordering import shuffled
from dlrun.training.session import Session
from dlrun.training.steps import mean_loss, run_all, step_table


class Dlrun(Contender):
    """Whole passes over the rows, or what remains of the steps, as calls of an executor."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        loaded = read_config(job.config, overrides(job.batch, job.threads))
        self.config = loaded.config
        self.session = Session(loaded.config, loaded.layer_paths, read_dataset(loaded.config, job.data))
        self.split = self.session.split("train")
        self.executor = self.session.start_training() if self.trains else self.session.evaluator("train")
        self.step = 0
        self.put_weights(draw(self.network))

    def versions(self) -> str:
        """Return dlrun's version."""
        return dlrun.__version__

    def run(self, steps: int) -> None:
        """Train epoch by epoch, each with its own order of the rows, as in a run; or evaluate."""
        if not self.trains:
            self.evaluate(steps)
            return
        rows = self.split.rows
        end, per_epoch = self.step + steps, rows // self.job.batch
        while self.step < end:
            epoch = self.step // per_epoch
            self.executor.data["order"][:] = shuffled(rows, self.config.seed, f"shuffle/{epoch}")
            table = step_table(epoch * per_epoch, rows, self.job.batch, drop_last=True)
            table = table[self.step - epoch * per_epoch :][: end - self.step]
            rates = np.full(len(table), self.config.optimizer.learning_rate)
            outcome = self.executor.run(table, self.config.optimizer.scalars(table[:, 1], rates))
            if not outcome.finished:
                raise ArithmeticError(f"the loss is not finite any more at step {self.step + outcome.steps}")
            self.step += len(table)

    def evaluate(self, steps: int) -> tuple[float, float]:
        """Return the mean loss and the accuracy, by the code of `dlrun evaluate`, which may take a batch in parts."""
        batch, part = self.job.batch, self.executor.plan.batch
        if batch % part:
            raise ValueError(f"dlrun evaluates in batches of {part} rows, which don't make up {batch}")
        most = self.split.rows // batch
        loss = right = 0.0
        for first in range(0, steps, most):
            batches = min(most, steps - first)
            rows = batches * batch
            table = step_table(0, rows, part)
            run_all(self.executor, table)
            measured = self.session.measure(self.split, np.arange(rows), self.session.predictions(self.executor, rows))
            loss += mean_loss(self.executor, table) * batches
            right += float(measured["accuracy"]) * batches
        return loss / steps, right / steps

    def put_weights(self, weights: Weights) -> None:
        """Give the layers these weights."""
        for node, name, values in zip(self.network.nodes, node_names(self.config.model.layers), weights, strict=True):
            for weight, value in values.items():
                inner = INSIDE_A_BLOCK[weight] if isinstance(node.part, TransformerBlock) else weight
                self.executor.array(f"{name}/{inner}")[:] = value.ravel()

    def parameters(self) -> int:
        """Return the count of the trainable variables."""
        return sum(
            int(np.prod(variable.shape))
            for node in self.session.graph.nodes.values()
            for variable in node.variables
            if variable.trainable
        )

    def probabilities(self, rows: int) -> Array:
        """Return the probabilities of the first rows."""
        executor = self.session.evaluator("train")
        run_all(executor, step_table(0, self.split.rows, executor.plan.batch))
        return self.session.predictions(executor, rows).copy()


INSIDE_A_BLOCK = {
    "gamma_1": "attention_norm/gamma", "beta_1": "attention_norm/beta",
    "gamma_2": "dense_norm/gamma", "beta_2": "dense_norm/beta",
    "qkv_kernel": "attention/query_key_value/kernel", "qkv_bias": "attention/query_key_value/bias",
    "output_kernel": "attention/output/kernel", "output_bias": "attention/output/bias",
    "up_kernel": "dense_1/kernel", "up_bias": "dense_1/bias",
    "down_kernel": "dense_2/kernel", "down_bias": "dense_2/bias",
}  # fmt: skip
"""What a Transformer block's weights are called in dlrun."""
