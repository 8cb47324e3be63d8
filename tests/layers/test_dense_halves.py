"""The dense layer that sums over halves of its features, and the gathering of rows that goes with it."""

import numpy as np
import pytest

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.passes import gather
from dlrun.compiler.updates import UpdateRule
from dlrun.data.signature import Feature, Signature
from dlrun.executor.executor import Executor
from dlrun.kernels.dense_halves import dense_forward_halves
from dlrun.kernels.halves import middle_of
from dlrun.layers import Dense
from tests.support.network import Network, ProbeLoss, check_gradients, same_bits_on_threads
from tests.support.training import Training, differing

LAYERS = [Dense(units=90, activation="relu", bias_initializer="random_normal"), Dense(units=4)]


def inputs(rows, features, seed=1):
    return np.random.default_rng(seed).standard_normal((rows, features))


def goes_by_halves(plan):
    return [call.node for call in plan.calls if call.kernel is dense_forward_halves]


@pytest.mark.parametrize(("rows", "features"), [(1, 200), (2, 183), (13, 500), (64, 190)])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_outputs_are_those_of_numpy(rows, features, threads):
    x = inputs(rows, features)
    network = Network(LAYERS, x, threads=threads)
    assert goes_by_halves(network.plan) == ["dense_1"]
    result = network.run()
    w1, w2 = (result.variables[f"dense_{i}/kernel"] for i in (1, 2))
    hidden = np.maximum(x @ w1 + result.variables["dense_1/bias"], 0)
    np.testing.assert_allclose(result.outputs, hidden @ w2 + result.variables["dense_2/bias"], rtol=1e-12, atol=1e-12)
    dy = (network.coefficients @ w2.T) * (hidden > 0)
    np.testing.assert_allclose(result.gradients["dense_1/kernel"], x.T @ dy / rows, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(result.input_gradients["x"], dy @ w1.T / rows, rtol=1e-12, atol=1e-12)


def test_gradients_are_central_differences():
    network = Network([Dense(units=100, activation="tanh"), *LAYERS], inputs(5, 210))
    assert goes_by_halves(network.plan) == ["dense_1"]
    check_gradients(network)


@pytest.mark.parametrize(("rows", "features"), [(1, 190), (7, 500), (61, 300)])
def test_bits_do_not_depend_on_threads(rows, features):
    same_bits_on_threads(LAYERS, inputs(rows, features), threads=(1, 2, 3, 4, 7))


def test_a_hidden_layer_does_so_too():
    layers = [Dense(units=200, activation="relu"), *LAYERS]
    assert goes_by_halves(Network(layers, inputs(9, 30)).plan) == ["dense_2"]
    same_bits_on_threads(layers, inputs(9, 30))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_has_the_same_bits_on_any_threads(optimizer):
    layers = [{"type": "dense", "units": 150, "activation": "relu"}, {"type": "dense", "units": 3}]
    x = inputs(19, 400)
    one = Training(layers, x, 1, optimizer).run()
    for threads in (2, 3, 4):
        assert differing(one, Training(layers, x, threads, optimizer).run()) == []


def test_inference_sums_in_one():
    assert goes_by_halves(Network(LAYERS, inputs(5, 400), training=False, gradients=False).plan) == []


@pytest.mark.parametrize(("rows", "features", "units"), [(5, 400, 10), (5, 399, 200), (65, 400, 90)])
def test_few_weights_many_units_or_many_rows_do_not(rows, features, units):
    assert goes_by_halves(Network([Dense(units=units)], inputs(rows, features)).plan) == []


def rows_of(call, entries, size):
    """The rows (11, size) where a call has gathered them: in one piece, or their halves apart."""
    if call.arguments["apart"] == 0:
        return entries[: 11 * size].reshape(11, size)
    assert call.arguments["apart"] == 11
    middle = call.arguments["middle"]
    first, second = np.split(entries[: 11 * size], [11 * middle])
    return np.hstack([first.reshape(11, middle), second.reshape(11, size - middle)])


def gathered(scale, shape=(20, 24, 3), threads=2):
    """The plan for rows of uint8 with that scale, whose first call has gathered what it should."""
    size = int(np.prod(shape))
    x = Feature("x", (size,), "uint8", scale=scale, offset=tuple(-s for s in scale))
    target = Feature("target", (90,), "float64")
    model = Model([Dense(units=90)], [("model", "layers", 0)], Signature({"x": x}, {"target": target}), ProbeLoss())
    goal = Goal(training=True, gradients=True, keep=True, collect=False)
    plan = compile_plan(model, goal, UpdateRule(), "float64", 11, threads, 0)
    stored = np.random.default_rng(3).integers(0, 256, (30, size), np.uint8)
    order = np.random.default_rng(4).permutation(30)
    data = {"data/inputs/x": stored, "data/targets/target": np.zeros((30, 90)), "order": order}
    executor = Executor(plan, threads, data)
    assert executor.run(np.array([[9, 0, 5, 1, 1]]), np.zeros((1, 1))).finished
    found = rows_of(plan.calls[0], executor.array("inputs/x"), size)[:9]
    factors = np.resize(np.array(scale), size)
    np.testing.assert_allclose(found, stored[order[5:14]] * factors - factors, rtol=1e-15)
    return plan


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3, 1440])
def test_rows_are_gathered_by_halves(channels, threads):
    """By one scale, by one for each of three channels, and by one for each number of a row."""
    plan = gathered(tuple(np.random.default_rng(2).random(channels)), threads=threads)
    assert plan.calls[0].partition == "halves"
    assert plan.calls[0].arguments["apart"]
    assert not plan.calls[1].barrier


def test_rows_whose_halves_would_part_a_pixel_are_gathered_by_samples():
    plan = gathered((0.5, 0.25, 2.0, 3.0, 0.1), (21, 20, 5))
    assert middle_of(2100) % 5
    assert plan.calls[0].partition == "samples"


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("zeros", [0.2, 0.8])
def test_halves_apart_have_the_bits_of_rows_in_one_piece(optimizer, zeros, monkeypatch):
    """With few and with many zeros to leave out, and with a last batch of fewer rows."""
    layers = [{"type": "dense", "units": 150, "activation": "relu"}, {"type": "dense", "units": 3}]
    x = inputs(19, 399) * (np.random.default_rng(5).random((19, 399)) > zeros)
    apart = [Training(layers, x, threads, optimizer) for threads in (1, 2, 3, 5)]
    monkeypatch.setattr(gather, "_find_halves", lambda readers: False)
    whole = Training(layers, x, 2, optimizer)
    assert [training.plan.calls[0].arguments["apart"] for training in (*apart, whole)] == [8, 8, 8, 8, 0]
    expected = whole.run()
    for training in apart:
        assert differing(expected, training.run()) == []


def test_a_reader_that_needs_whole_rows_keeps_them_in_one_piece():
    layers = [
        {"type": "dense", "name": "first", "units": 100, "inputs": ["x"]},
        {"type": "dense", "units": 300, "inputs": ["first"]},
        {"type": "add", "inputs": ["x", "dense_1"]},
    ]
    training = Training(layers, inputs(19, 300), 2)
    assert goes_by_halves(training.plan) == ["first"]
    assert training.plan.calls[0].partition == "halves"
    assert training.plan.calls[0].arguments["apart"] == 0
