"""Runs small networks for tests: forward, gradients, and central differences, on any number of threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import UpdateRule
from dlrun.data.signature import Feature, Signature
from dlrun.executor.executor import Executor
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real
from dlrun.layers.base import Layer
from dlrun.losses.base import Loss

Array = np.ndarray[Any, np.dtype[Any]]


@kernel
def probe_loss(
    y: In, c: In, losses: Out, p: Out, dy: Out, rows: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """losses[n] = sum_i c[n, i] y[n, i]; the mean's gradient is c / rows."""
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        total = real(0)
        for i in range(n * size, (n + 1) * size):
            total += c[i] * y[i]
            p[i] = y[i]
            dy[i] = c[i] / real(rows)
        losses[n] = total


class ProbeLoss(Loss):
    """The sum of the outputs times given coefficients: its gradient is known, so a layer's can be checked."""

    type: Literal["probe"] = "probe"

    def lower(self, emit: Any) -> None:
        emit.call(
            probe_loss, y=emit.output, c=emit.target, losses=emit.losses, p=emit.predictions, dy=emit.gradient_out,
            rows=emit.rows, size=emit.size,
        )  # fmt: skip


@dataclass
class Result:
    """What one step computed: outputs (rows, ...), mean loss, gradients of variables and inputs by name."""

    outputs: Array
    loss: float
    gradients: dict[str, Array]
    input_gradients: dict[str, Array]
    variables: dict[str, Array]


class Network:
    """A network of layers over given inputs (name → array (rows, ...)), with a ProbeLoss on its output.

    Variables are drawn from `seed` (statistics such as moving means keep their initial values).
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        inputs: Mapping[str, Array] | Array,
        precision: str = "float64",
        threads: int = 2,
        training: bool = True,
        gradients: bool = True,
        seed: int = 0,
        batch: int | None = None,
    ) -> None:
        self.inputs = dict(inputs) if isinstance(inputs, Mapping) else {"x": inputs}
        self.precision, self.threads = precision, threads
        self.rows = len(next(iter(self.inputs.values())))
        features = {name: Feature(name, array.shape[1:], "float64") for name, array in self.inputs.items()}
        paths = [("model", "layers", i) for i in range(len(layers))]
        output = Model(layers, paths, Signature(features, {}), ProbeLoss()).graph().output.output_shape
        target = Feature("target", output, "float64")
        self.model = Model(layers, paths, Signature(features, {"target": target}), ProbeLoss())
        self.graph = self.model.graph()
        goal = Goal(training=training, gradients=gradients, input_gradients=gradients, keep=True, collect=False)
        self.plan = compile_plan(self.model, goal, UpdateRule(), precision, batch or self.rows, threads, seed)  # type: ignore[arg-type]
        generator = np.random.default_rng(seed)
        self.coefficients = np.random.default_rng([seed, 1]).standard_normal((self.rows, *output))
        data = {f"data/inputs/{name}": np.ascontiguousarray(a, np.float64) for name, a in self.inputs.items()}
        data |= {"data/targets/target": self.coefficients, "order": np.arange(self.rows)}
        self.executor = Executor(self.plan, threads, data)
        self.names = [(f"{n.name}/{v.name}", v) for n in self.graph.nodes.values() for v in n.variables]
        for name, variable in self.names:
            self.executor.array(name)[:] = variable.initializer.draw(variable, generator).ravel()

    def run(self, step: int = 0) -> Result:
        """Run one step over all rows."""
        table = np.array([[self.rows, step, 0, 1, 1]])
        outcome = self.executor.run(table, np.zeros((1, 1)))
        assert outcome.finished
        array = self.executor.array
        size = int(np.prod(self.coefficients.shape[1:]))
        gradients = {
            name: array(f"gradient/{name}").copy().reshape(v.shape)
            for name, v in self.names
            if f"gradient/{name}" in self.plan.buffers
        }
        inputs = {
            name: array(f"{name}/gradient")[: x.size].copy().reshape(x.shape)
            for name, x in self.inputs.items()
            if f"{name}/gradient" in self.plan.buffers
        }
        outputs = array("predictions")[: self.rows * size].copy().reshape(self.coefficients.shape)
        variables = {name: array(name).copy().reshape(v.shape) for name, v in self.names}
        return Result(outputs, float(array("losses")[: self.rows].mean()), gradients, inputs, variables)


def check_gradients(
    network: Network, step: int = 0, delta: float = 1e-6, tolerance: float = 1e-6, most: int = 400
) -> None:
    """Compare every gradient of a float64 network with central differences (at most `most` entries of each array)."""
    assert network.precision == "float64"
    result = network.run(step)
    assert result.gradients or result.input_gradients
    places = {name: network.executor.array(name) for name in result.gradients}
    places |= {
        f"data/inputs/{name}": network.executor.data[f"data/inputs/{name}"].reshape(-1)
        for name in result.input_gradients
    }
    wanted = {name: g.ravel() for name, g in result.gradients.items()}
    wanted |= {f"data/inputs/{name}": g.ravel() for name, g in result.input_gradients.items()}
    generator = np.random.default_rng(0)
    for name, place in places.items():
        chosen = np.arange(place.size) if place.size <= most else generator.choice(place.size, most, replace=False)
        for i in chosen:
            kept = place[i]
            place[i] = kept + delta
            above = network.run(step).loss
            place[i] = kept - delta
            below = network.run(step).loss
            place[i] = kept
            numeric = (above - below) / (2 * delta)
            assert abs(numeric - wanted[name][i]) <= tolerance * max(1.0, abs(numeric)), (
                name,
                int(i),
                numeric,
                wanted[name][i],
            )


def same_bits_on_threads(
    layers: Sequence[Layer],
    inputs: Mapping[str, Array] | Array,
    precision: str = "float32",
    threads: Sequence[int] = (1, 2, 3, 4),
    **options: Any,
) -> None:
    """Assert that outputs and gradients have the same bits on every number of threads."""
    first: Result | None = None
    for count in threads:
        result = Network(layers, inputs, precision, count, **options).run()
        if first is None:
            first = result
            continue
        assert np.array_equal(first.outputs, result.outputs), f"outputs differ on {count} threads"
        for kind in ("gradients", "input_gradients", "variables"):
            for name, array in getattr(first, kind).items():
                assert np.array_equal(array, getattr(result, kind)[name]), f"{kind} of {name} differ on {count} threads"


def batch_equals_samples(layers: Sequence[Layer], inputs: Array, precision: str = "float32", **options: Any) -> None:
    """Assert that a batch's outputs are those of its samples one by one, bit for bit (inference)."""
    together = Network(layers, inputs, precision, 2, training=False, gradients=False, **options).run().outputs
    for n in range(len(inputs)):
        alone = (
            Network(layers, inputs[n : n + 1], precision, 1, training=False, gradients=False, **options).run().outputs
        )
        assert np.array_equal(alone[0], together[n])
