"""Trains small networks of any layers for some steps, and returns every bit that training keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import OptimizerRule
from dlrun.data.signature import Feature, Signature
from dlrun.executor.executor import Executor
from dlrun.layers import LAYERS
from dlrun.losses import MSE
from dlrun.optimizers import OPTIMIZERS

Array = np.ndarray[Any, np.dtype[Any]]
BATCH, ROWS, STEPS = 8, 19, 4
"""The third step of an epoch has three samples: fewer than there are threads, and than there are chunks."""


class Training:
    """A network, its data and its optimizer, ready to run; each number of threads has an object of its own.

    `layers` are as a config has them; the loss is the mean square distance from random targets.
    """

    def __init__(
        self, layers: Sequence[Mapping[str, Any]], x: Array, threads: int = 1, optimizer: str = "adam", **options: Any
    ) -> None:
        self.optimizer = OPTIMIZERS[optimizer].model_validate({"learning_rate": 0.01, **options})
        parsed = [LAYERS[layer["type"]].model_validate(layer) for layer in layers]
        paths = [("model", "layers", index) for index in range(len(parsed))]
        inputs = {"x": Feature("x", x.shape[1:], "float32")}
        output = Model(parsed, paths, Signature(inputs), MSE()).graph().output.output_shape
        model = Model(parsed, paths, Signature(inputs, {"target": Feature("target", output, "float32")}), MSE())
        goal = Goal(training=True, gradients=True, collect=False)
        self.plan = compile_plan(model, goal, OptimizerRule(self.optimizer), "float32", BATCH, threads, seed=7)
        random = np.random.default_rng(5)
        self.rows = len(x)
        data = {
            "data/inputs/x": x.astype(np.float32),
            "data/targets/target": random.standard_normal((self.rows, *output)).astype(np.float32),
            "order": random.permutation(self.rows),
        }
        self.executor = Executor(self.plan, threads, data)
        for node in model.graph().nodes.values():
            for variable in node.variables:
                values = variable.initializer.draw(variable, random)
                self.executor.array(f"{node.name}/{variable.name}")[:] = values.ravel()

    def run(self, steps: int = STEPS) -> dict[str, Array]:
        """Run so many steps; return the weights, the optimizer's state, and the last losses, by their names."""
        group = self.optimizer.gradient_accumulation_steps
        numbers = np.arange(steps)
        table = []
        for step in range(steps):
            first = step * BATCH % (BATCH * -(-self.rows // BATCH))
            rows = min(BATCH, self.rows - first)
            table.append([rows, step, first, int((step + 1) % group == 0), group, step])
        scalars = self.optimizer.scalars(numbers // group, np.full(steps, self.optimizer.learning_rate))
        assert self.executor.run(np.array(table), scalars).finished
        kept = [*self.plan.region("weights"), *self.plan.region("optimizer"), self.plan.buffers["losses"]]
        return {buffer.name: self.executor.array(buffer.name).copy() for buffer in kept}


def differing(first: Mapping[str, Array], second: Mapping[str, Array]) -> list[str]:
    """Return the names of the arrays whose bits differ."""
    assert first.keys() == second.keys()
    return [name for name, array in first.items() if array.tobytes() != second[name].tobytes()]
