"""What is done to gradients around an optimizer: clipping, decay, accumulation, moving average, regularizers."""

from typing import Literal

import numpy as np
import pytest
from pydantic import ValidationError

from dlrun.compiler.updates import moving_averages
from dlrun.kernels.lang import Count, Gradient, In, InOut, Live, Number, Start, Thread, kernel, real, shift
from dlrun.optimizers import OPTIMIZERS
from dlrun.plan import APPLY, Step
from dlrun.regularizers import Constraint, Regularizer
from tests.optimizers.harness import Trainer

STEPS = 12
generator = np.random.default_rng(0)
START = {"kernel": generator.standard_normal((130, 41)), "bias": generator.standard_normal(41)}  # two blocks, and one
GRADIENTS = {name: generator.standard_normal((STEPS, *w.shape)) for name, w in START.items()}


def sgd(**fields):
    return OPTIMIZERS["sgd"](learning_rate=0.1, **fields)


def train(optimizer, steps=STEPS, **options):
    return Trainer(optimizer, START, GRADIENTS, **options).run(steps)


def assert_weights(result, expected, rtol=1e-12):
    for name, array in expected.items():
        np.testing.assert_allclose(result[name], array.ravel(), rtol=rtol, atol=1e-14)


def descend(change):
    """Gradient descent by hand, of gradients that `change` makes of all variables' (name → array)."""
    weights = dict(START)
    for step in range(STEPS):
        gradients = change({name: g[step] for name, g in GRADIENTS.items()}, weights)
        weights = {name: w - 0.1 * gradients[name] for name, w in weights.items()}
    return weights


def test_clipvalue():
    expected = descend(lambda gradients, _: {name: np.clip(g, -0.3, 0.3) for name, g in gradients.items()})
    assert_weights(train(sgd(clipvalue=0.3)), expected)


def test_clipnorm_is_of_each_variable():
    def clip(gradients, _):
        return {name: g * min(1, 7 / np.linalg.norm(g)) for name, g in gradients.items()}

    norms = [np.linalg.norm(g) for g in GRADIENTS["bias"]]
    assert min(norms) < 7 < max(norms), "some are clipped, some not"
    assert_weights(train(sgd(clipnorm=7)), descend(clip))


def test_global_clipnorm_is_of_all_variables():
    def clip(gradients, _):
        norm = np.sqrt(sum(np.sum(g * g) for g in gradients.values()))
        return {name: g * min(1, 73 / norm) for name, g in gradients.items()}

    assert_weights(train(sgd(global_clipnorm=73)), descend(clip))


def test_a_norm_that_does_not_bind_changes_nothing():
    plain = train(OPTIMIZERS["adam"](), precision="float32")
    for fields in ({"clipnorm": 1e9}, {"global_clipnorm": 1e9}, {"clipvalue": 1e9}):
        for name, array in train(OPTIMIZERS["adam"](**fields), precision="float32").items():
            assert np.array_equal(array, plain[name])


def test_weight_decay_is_decoupled_and_of_biases_too():
    assert_weights(
        train(sgd(weight_decay=0.2)), descend(lambda gradients, w: {n: g + 0.2 * w[n] for n, g in gradients.items()})
    )


@pytest.mark.parametrize("fields", [{}, {"clipvalue": 0.2}, {"clipnorm": 0.5}, {"global_clipnorm": 3.0}], ids=str)
def test_accumulation_is_a_step_along_the_mean(fields):
    """Four groups of three steps do what four steps with the groups' mean gradients do."""
    accumulated = train(OPTIMIZERS["adam"](gradient_accumulation_steps=3, **fields))
    means = {name: g.reshape(4, 3, *g.shape[1:]).mean(1) for name, g in GRADIENTS.items()}
    assert_weights(accumulated, Trainer(OPTIMIZERS["adam"](**fields), START, means).run(4), rtol=1e-9)


def test_weights_rest_between_accumulated_steps():
    trainer = Trainer(sgd(gradient_accumulation_steps=3), START, GRADIENTS)
    assert_weights(trainer.run(2), START, rtol=0)
    assert not np.array_equal(trainer.run(1)["kernel"], START["kernel"].ravel())


def test_moving_average():
    trainer = Trainer(sgd(use_ema=True, ema_momentum=0.8), START, GRADIENTS)
    average, path = None, []
    for _ in range(STEPS):
        path.append(trainer.run(1)["bias"])
    for weights in path:
        average = weights if average is None else 0.8 * average + 0.2 * weights
    buffers = moving_averages(trainer.plan)
    assert buffers == {"layer/kernel": "layer/kernel/ema", "layer/bias": "layer/bias/ema"}
    np.testing.assert_allclose(trainer.executor.array("layer/bias/ema"), average, rtol=1e-12)


@kernel
def ridge_step(w: In, strength: Number, gradient: Gradient, start: Start, count: Count) -> None:
    here = shift(w, start)
    for i in range(count):
        gradient[i] += real(2) * strength * here[i]


class Ridge(Regularizer):
    type: Literal["ridge"] = "ridge"

    def step(self, weights):
        return Step(ridge_step, {"w": weights, "strength": 0.25})


@kernel
def halve(w: InOut, apply: Live, thread: Thread) -> None:
    if apply != 0 and thread == 0:
        w[0] = w[0] * real(0.5)


class HalveFirst(Constraint):
    type: Literal["halve_first"] = "halve_first"

    def emit(self, builder, weights, shape):
        builder.call(halve, partition="one", w=weights, apply=APPLY)


@pytest.mark.parametrize("fields", [{}, {"clipvalue": 0.5}, {"clipnorm": 5.0}, {"global_clipnorm": 60.0}], ids=str)
def test_the_regularizers_gradient_is_part_of_what_is_clipped(fields):
    def change(gradients, weights):
        g = {name: g + 0.5 * weights[name] if name == "kernel" else g for name, g in gradients.items()}
        norm = np.sqrt(sum(np.sum(array * array) for array in g.values()))
        if "clipvalue" in fields:
            return {name: np.clip(array, -0.5, 0.5) for name, array in g.items()}
        if "clipnorm" in fields:
            return {name: array * min(1, 5 / np.linalg.norm(array)) for name, array in g.items()}
        return {name: array * min(1, fields.get("global_clipnorm", np.inf) / norm) for name, array in g.items()}

    assert_weights(train(sgd(**fields), kernel={"regularizer": Ridge()}), descend(change))


def test_constraints_follow_updates_only():
    result = train(sgd(gradient_accumulation_steps=6), bias={"constraint": HalveFirst()})
    first, second = GRADIENTS["bias"][:, 0].reshape(2, 6).mean(1)
    assert result["bias"][0] == pytest.approx(((START["bias"][0] - 0.1 * first) / 2 - 0.1 * second) / 2)


ALL = {
    "gradient_accumulation_steps": 5,
    "global_clipnorm": 20.0,
    "weight_decay": 0.1,
    "use_ema": True,
}


@pytest.mark.parametrize("fields", [ALL, {**ALL, "global_clipnorm": None, "clipnorm": 3.0}], ids=["global", "each"])
def test_bits_depend_neither_on_threads_nor_on_interruptions(fields):
    def run(threads, *parts):
        trainer = Trainer(OPTIMIZERS["adam"](**fields), START, GRADIENTS, "float32", threads)
        for part in parts:
            trainer.run(part)
        return [trainer.executor.array(b.name).copy() for r in ("weights", "optimizer") for b in trainer.plan.region(r)]

    first = run(1, STEPS)
    assert len(first) == 10
    for threads, parts in ((1, (7, 5)), (2, (STEPS,)), (3, (1, 4, 7)), (4, (11, 1))):
        for array, other in zip(first, run(threads, *parts), strict=True):
            assert np.array_equal(array, other)


def test_one_kind_of_clipping_at_a_time():
    with pytest.raises(ValidationError, match="clipvalue and clipnorm exclude each other"):
        sgd(clipvalue=1.0, clipnorm=1.0)
