"""Batch normalisation taken into weights, and what is computed once for all steps: the results stay the same."""

import numpy as np
import pytest

from dlrun.compiler import compile as compiling
from dlrun.compiler.compile import compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.printer import plan_text
from dlrun.compiler.updates import OptimizerRule, UpdateRule
from dlrun.executor.profiler import Profiler
from dlrun.layers import LAYERS
from dlrun.optimizers import OPTIMIZERS
from tests.support.network import Network

IMAGE, SERIES, TABLE = (9, 8, 4), (10, 4), (7,)
CASES = {
    "conv2d": (IMAGE, {"type": "conv2d", "filters": 5, "kernel_size": 3, "padding": "same"}),
    "conv2d without bias": (IMAGE, {"type": "conv2d", "filters": 6, "kernel_size": 2, "use_bias": False}),
    "groups": (IMAGE, {"type": "conv2d", "filters": 6, "kernel_size": 3, "groups": 2, "strides": 2}),
    "packed": (IMAGE, {"type": "conv2d", "filters": 70, "kernel_size": 3}),
    "conv1d": (SERIES, {"type": "conv1d", "filters": 5, "kernel_size": 3}),
    "depthwise": (IMAGE, {"type": "depthwise_conv2d", "kernel_size": 3}),
    "multiplied": (IMAGE, {"type": "depthwise_conv2d", "kernel_size": 3, "depth_multiplier": 2}),
    "dense": (TABLE, {"type": "dense", "units": 6}),
    "dense over a series": (SERIES, {"type": "dense", "units": 6, "use_bias": False}),
}
NORMALIZATIONS = ({}, {"scale": False}, {"center": False, "epsilon": 0.1})


def layers_of(specs):
    specs = [{"type": spec} if isinstance(spec, str) else spec for spec in specs]
    return [LAYERS[spec["type"]].model_validate(spec) for spec in specs]


def network(specs, shape, precision="float32", threads=2, rows=6, **options):
    """A network in inference with variables that are all of some size, the same in any precision."""
    inputs = np.random.default_rng(1).standard_normal((rows, *shape))
    made = Network(layers_of(specs), inputs, precision, threads, training=False, gradients=False, **options)
    for name, variable in made.names:
        values = np.random.default_rng([*name.encode()]).standard_normal(variable.shape)
        made.executor.array(name)[:] = (np.abs(values) + 0.2 if "variance" in name else values).ravel()
    return made


def unfolded(monkeypatch, *arguments, **options):
    with monkeypatch.context() as patch:
        patch.setattr(compiling, "fold_normalizations", lambda graph: None)
        return network(*arguments, **options)


def kernels(made):
    return [call.kernel.name for call in made.plan.calls]


@pytest.mark.parametrize("options", NORMALIZATIONS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_folding_keeps_the_results(name, options, monkeypatch):
    shape, layer = CASES[name]
    specs = [layer, {"type": "batch_normalization", **options}, "relu", {"type": "flatten"}]
    folded = network(specs, shape)
    assert "normalize" not in kernels(folded)
    assert "relu_forward" not in kernels(folded)
    exact = unfolded(monkeypatch, specs, shape, "float64")
    assert "normalize" in kernels(exact)
    wanted = exact.run().outputs
    np.testing.assert_allclose(folded.run().outputs, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_allclose(network(specs, shape, "float64").run().outputs, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_the_same_bits_on_all_threads(name):
    shape, layer = CASES[name]
    specs = [layer, "batch_normalization", "relu", "flatten", {"type": "dense", "units": 3}]
    first = network(specs, shape, threads=1, rows=11).run().outputs
    for threads in (2, 3, 4):
        np.testing.assert_array_equal(network(specs, shape, threads=threads, rows=11).run().outputs, first)


def test_a_pool_is_fused_with_the_folded_convolution(monkeypatch):
    specs = [CASES["conv2d"][1], "batch_normalization", "relu", {"type": "max_pool2d", "pool_size": 2}, "flatten"]
    folded = network(specs, IMAGE)
    assert [name for name in kernels(folded) if "pool" in name or "conv" in name] == ["conv_pool_predict_of_four"]
    wanted = unfolded(monkeypatch, specs, IMAGE, "float64").run().outputs
    np.testing.assert_allclose(folded.run().outputs, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(
    "specs",
    [
        [{**CASES["conv2d"][1], "activation": "relu"}, "batch_normalization", "flatten"],
        ["batch_normalization", CASES["conv2d"][1], "flatten"],
        [{**CASES["conv2d"][1], "name": "a"}, {"type": "batch_normalization", "name": "b"},
         {"type": "add", "inputs": ["a", "b"]}],
        [CASES["conv2d"][1], "batch_normalization"],
        [{"type": "conv2d_transpose", "filters": 3, "kernel_size": 3}, "batch_normalization", "relu"],
    ],
    ids=["after an activation", "nothing before", "two takers", "the output", "transposed"],
)  # fmt: skip
def test_what_cannot_be_folded_stays(specs):
    assert "normalize" in kernels(network(specs, IMAGE))


def test_branches_and_chains(monkeypatch):
    """Two normalisations in a row (the first is folded), and a residual block whose branches meet behind them."""
    convolution = {"type": "conv2d", "filters": 4, "kernel_size": 3, "padding": "same", "use_bias": False}
    specs = [
        convolution, "batch_normalization", {"type": "batch_normalization", "name": "in"}, "relu",
        {"type": "conv2d", "filters": 4, "kernel_size": 1, "inputs": ["in"], "name": "left"},
        {"type": "batch_normalization", "name": "left_normal"},
        {**convolution, "inputs": ["in"], "name": "right"}, {"type": "batch_normalization", "name": "right_normal"},
        {"type": "add", "inputs": ["left_normal", "right_normal"]}, "relu",
    ]  # fmt: skip
    folded = network(specs, IMAGE)
    assert kernels(folded).count("normalize") == 1
    wanted = unfolded(monkeypatch, specs, IMAGE, "float64").run().outputs
    np.testing.assert_allclose(folded.run().outputs, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


def training_plan(specs):
    """A plan that trains, with an optimizer."""
    made = Network(layers_of(specs), np.zeros((4, *IMAGE)), training=True)
    rule = OptimizerRule(OPTIMIZERS["adam"].model_validate({}))
    return compile_plan(made.model, Goal(training=True, gradients=True), rule, "float32", 4, 2, 0)


def test_training_folds_and_hoists_nothing():
    plan = training_plan([CASES["packed"][1], "batch_normalization", "relu", "flatten"])
    assert {"normalize", "conv_pack"} <= {call.kernel.name for call in plan.calls}
    assert plan.prologue == []


@pytest.mark.parametrize("nanoseconds", [0, 50_000_000])
def test_the_prologue_runs_once_before_the_steps(nanoseconds, monkeypatch):
    """Weights that change between runs count; what is packed or folded isn't packed or folded in each step."""
    monkeypatch.setattr("dlrun.executor.executor.POLL_NANOSECONDS", nanoseconds)
    specs = [CASES["packed"][1], "batch_normalization", "relu", "flatten", {"type": "dense", "units": 3}]
    made = network(specs, IMAGE, rows=12, batch=4)
    assert [call.kernel.name for call in made.plan.prologue] == ["fold_normalization", "conv_pack"]
    assert made.plan.prologue[1].barrier
    assert not {"fold_normalization", "conv_pack", "take_moving"} & set(kernels(made))
    assert "calls before the first step" in plan_text(made.plan)
    table, scalars = np.array([[4, step, 4 * step, 1, 1] for step in range(3)]), np.zeros((3, 1))
    made.executor.run(table, scalars)
    before = made.executor.array("predictions").copy()
    made.executor.array("batch_normalization_1/beta")[:] += 1
    made.executor.run(table, scalars)
    after = made.executor.array("predictions").copy()
    assert np.any(before != after)
    outcome, timings = Profiler(made.executor).run(table, scalars)
    assert outcome.finished
    assert timings.stamps.shape == (3, 2, 2 + 2 * len(made.plan.calls))
    np.testing.assert_array_equal(after, made.executor.array("predictions"))


def test_frozen_weights_are_packed_once_in_training_too():
    trained = {"type": "conv2d", "filters": 80, "kernel_size": 1}
    plan = training_plan([{**CASES["packed"][1], "trainable": False}, trained, "flatten"])
    assert [(call.node, call.kernel.name) for call in plan.prologue] == [("conv2d_1", "conv_pack")]
    assert ("conv2d_2", "conv_pack") in [(call.node, call.kernel.name) for call in plan.calls]


def test_regularizers_of_folded_layers_still_count():
    """The loss of an evaluation has the penalties on the weights as they are, once for each step."""
    l2 = {"type": "l2", "l2": 0.1}
    made = network(
        [{**CASES["conv2d"][1], "kernel_regularizer": l2}, {"type": "batch_normalization", "gamma_regularizer": l2},
         "relu", "flatten"], IMAGE,
    )  # fmt: skip
    plan = compile_plan(made.model, Goal(), UpdateRule(), "float32", 6, 2, 0)
    assert {"conv2d_1/kernel/penalties", "batch_normalization_1/gamma/penalties"} <= plan.buffers.keys()
    assert [call.kernel.name for call in plan.prologue].count("walk_weights") == 2
    weights = made.executor.array("conv2d_1/kernel"), made.executor.array("batch_normalization_1/gamma")
    made.run()
    wanted = 0.1 * sum(np.sum(np.square(w, dtype=np.float64)) for w in weights)
    assert made.executor.array("penalty")[0] == pytest.approx(wanted, rel=1e-5)
