"""The penalties of regularizers, as part of the loss that a run reports."""

from typing import Literal

import numpy as np

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import OptimizerRule
from dlrun.data.signature import Feature, Signature
from dlrun.executor.executor import Executor
from dlrun.kernels.lang import Count, Gradient, In, Number, OutDouble, Start, kernel, real, shift
from dlrun.kernels.updates import BLOCK
from dlrun.layers import LAYERS
from dlrun.losses import LOSSES
from dlrun.optimizers import OPTIMIZERS
from dlrun.plan import Step
from dlrun.regularizers import Regularizer


@kernel
def squares_penalty(sums: OutDouble, strength: Number, gradient: Gradient, start: Start, count: Count) -> None:
    total = 0.0
    for i in range(count):
        total += gradient[i] * gradient[i] * 1.0
    sums[start // BLOCK] = strength * total


@kernel
def squares_step(w: In, strength: Number, gradient: Gradient, start: Start, count: Count) -> None:
    here = shift(w, start)
    for i in range(count):
        gradient[i] += real(2) * strength * here[i]


class Squares(Regularizer):
    type: Literal["squares"] = "squares"
    strength: float

    def step(self, weights):
        return Step(squares_step, {"w": weights, "strength": self.strength})

    def penalty(self, sums):
        return Step(squares_penalty, {"sums": sums, "strength": self.strength})


class Regular(LAYERS["dense"]):
    """A dense layer whose regularizers needn't be registered."""

    type: Literal["regular"] = "regular"

    def variables(self, *inputs):
        kernel, bias = super().variables(*inputs)
        object.__setattr__(kernel, "regularizer", Squares(strength=0.1))
        object.__setattr__(bias, "regularizer", Squares(strength=1.0))
        return kernel, bias


ROWS, FEATURES, STEPS = 6, 130, 5
generator = np.random.default_rng(0)
INPUTS, TARGETS = generator.standard_normal((ROWS, FEATURES)), generator.standard_normal((ROWS, 1))


def executor_of(goal, threads, frozen=False):
    signature = Signature({"x": Feature("x", (FEATURES,), "float64")}, {"target": Feature("target", (1,), "float64")})
    layers = [Regular(units=41, trainable=not frozen), LAYERS["dense"](units=1)]
    model = Model(layers, [("model", "layers", i) for i in range(2)], signature, LOSSES["mse"]())
    plan = compile_plan(model, goal, OptimizerRule(OPTIMIZERS["sgd"]()), "float64", ROWS, threads, 0)
    data = {"data/inputs/x": INPUTS, "data/targets/target": TARGETS, "order": np.arange(ROWS)}
    data |= {"out/losses": np.zeros(ROWS), "out/predictions": np.zeros((ROWS, 1))}
    executor = Executor(plan, threads, data | {"out/penalties": np.zeros(STEPS)})
    draw = np.random.default_rng(1)
    for buffer in plan.region("weights"):
        executor.array(buffer.name)[:] = draw.standard_normal(buffer.size) * 0.1
    return executor


def penalty(executor):
    kernel, bias = executor.array("regular_1/kernel"), executor.array("regular_1/bias")
    return 0.1 * np.sum(kernel**2) + np.sum(bias**2)


TABLE = np.array([[ROWS, step, 0, 1, 1, step] for step in range(STEPS)])


def train(threads):
    executor, expected = executor_of(Goal(training=True, gradients=True), threads), []
    for row in TABLE:
        expected.append(penalty(executor))
        assert executor.run(row[None], np.full((1, 2), 0.01)).finished
    return executor, expected


def test_each_step_reports_the_penalty_before_its_update():
    executor, expected = train(2)
    np.testing.assert_allclose(executor.data["out/penalties"], expected, rtol=1e-12)
    assert expected[-1] < expected[0]
    np.testing.assert_allclose(executor.array("penalty"), expected[-1:], rtol=1e-12)


def test_the_penalty_is_the_same_on_any_threads():
    first = train(1)[0].array("penalty").copy()
    for threads in (2, 3, 4):
        assert np.array_equal(first, train(threads)[0].array("penalty"))


def test_evaluation_reports_it_too():
    executor = executor_of(Goal(), 2)
    assert executor.run(TABLE[:1], np.zeros((1, 1))).finished
    np.testing.assert_allclose(executor.data["out/penalties"][0], penalty(executor), rtol=1e-12)


def test_frozen_layers_have_none():
    assert "out/penalties" not in executor_of(Goal(training=True, gradients=True), 2, frozen=True).plan.buffers
