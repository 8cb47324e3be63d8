"""Feeds a rule of updates given gradients, in parts, as layers do, and returns what becomes of the weights."""

from types import SimpleNamespace

import numpy as np

from dlrun.compiler.emitter import Builder
from dlrun.compiler.passes.barriers import set_barriers
from dlrun.compiler.passes.place import place
from dlrun.compiler.passes.verify import verify
from dlrun.compiler.updates import OptimizerRule
from dlrun.executor.executor import Executor
from dlrun.initializers import Zeros
from dlrun.kernels.lang import (
    InDouble,
    Live,
    Scratch,
    Size,
    Thread,
    Threads,
    Update,
    apply_update,
    first_of,
    kernel,
    last_of,
    real,
)
from dlrun.layers.variable import Variable
from dlrun.plan import FIRST, Plan, ScratchSize

PART = 24


@kernel
def feed(
    gradients: InDouble, update: Update, scratch: Scratch, first: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """Hand on row `first` of gradients (steps, size) in parts of 24. Partition: split."""
    parts = (size + 23) // 24
    for part in range(first_of(parts, thread, threads), last_of(parts, thread, threads)):
        start = part * 24
        count = min(24, size - start)
        for i in range(count):
            scratch[i] = real(gradients[first * size + start + i])
        apply_update(update, scratch, start, count)


class Trainer:
    """Variables (name → initial array) whose gradients are given: (steps, *shape) by name."""

    def __init__(self, optimizer, variables, gradients, precision="float64", threads=2, **options):
        self.optimizer, self.names = optimizer, list(variables)
        self.plan = Plan(precision, 1, [], {}, threads)
        builder, rule = Builder(self.plan, 0), OptimizerRule(optimizer)
        builder.phase, data = "update", {}
        for name, array in variables.items():
            variable = Variable(name, array.shape, Zeros(), **options.get(name, {}))
            builder.buffer(f"layer/{name}", array.size, "weights")
            rows = builder.buffer(f"data/{name}", 0, "data", "float64")
            update = rule.update_of(builder, SimpleNamespace(name="layer"), variable)
            builder.call(
                feed, partition="split", gradients=rows, update=update, scratch=ScratchSize(PART), first=FIRST,
                size=array.size,
            )  # fmt: skip
            data[f"data/{name}"] = np.ascontiguousarray(gradients[name], np.float64)
        rule.emit_rest(builder)
        place(self.plan)
        verify(self.plan)
        set_barriers(self.plan)
        self.executor = Executor(self.plan, threads, data)
        for name, array in variables.items():
            self.executor.array(f"layer/{name}")[:] = array.ravel()
        self.updates, self.step = 0, 0

    def run(self, steps, rates=None):
        """Run so many steps; gradients are summed over as many steps as the optimizer says."""
        table, updates = [], []
        group = self.optimizer.gradient_accumulation_steps
        for step in range(self.step, self.step + steps):
            last = (step + 1) % group == 0
            table.append([1, step, step, int(last), group, step - self.step])
            updates.append(self.updates)
            self.updates += last
        self.step += steps
        rates = np.full(steps, self.optimizer.learning_rate) if rates is None else rates
        assert self.executor.run(np.array(table), self.optimizer.scalars(np.array(updates), rates)).finished
        return {name: self.executor.array(f"layer/{name}").copy() for name in self.names}
