"""The dense layer against a plain loop, central differences, and itself on other threads."""

import numpy as np
import pytest

from dlrun.kernels.dense_of_many import (
    dense_backward_weights_of_many,
    dense_forward_of_many,
)
from dlrun.kernels.recurrent import pack_panels
from dlrun.layers import Dense
from dlrun.layers.dense import PACKED_ONCE, dense_descend
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads
from tests.support.training import Training, differing


def dense_loop(x, w, b):
    y = np.zeros((len(x), w.shape[1]))
    for n in range(len(x)):
        for o in range(w.shape[1]):
            total = b[o]
            for i in range(w.shape[0]):
                total += x[n, i] * w[i, o]
            y[n, o] = total
    return y


@pytest.mark.parametrize(("rows", "features", "units"), [(1, 1, 1), (2, 3, 5), (7, 13, 17), (13, 31, 10), (9, 300, 33)])
def test_forward_is_the_plain_loop(rows, features, units):
    x = np.random.default_rng(1).standard_normal((rows, features))
    network = Network([Dense(units=units, bias_initializer="random_normal")], x)
    result = network.run()
    expected = dense_loop(x, result.variables["dense_1/kernel"], result.variables["dense_1/bias"])
    np.testing.assert_allclose(result.outputs, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("rows", "features", "units"), [(1, 1, 1), (3, 7, 5), (5, 14, 19), (3, 900, 80)])
def test_gradients_are_central_differences(rows, features, units):
    x = np.random.default_rng(2).standard_normal((rows, features))
    check_gradients(Network([Dense(units=units, activation="relu"), Dense(units=3)], x))


def test_bits_do_not_depend_on_threads():
    x = np.random.default_rng(3).standard_normal((11, 700))
    same_bits_on_threads([Dense(units=150, activation="relu"), Dense(units=10)], x)


def test_a_batch_equals_its_samples():
    x = np.random.default_rng(4).standard_normal((5, 600))
    batch_equals_samples([Dense(units=140, activation="relu"), Dense(units=7)], x)


def test_few_rows_have_the_bits_of_many():
    x = np.random.default_rng(5).standard_normal((11, 700))
    layers = [Dense(units=150), Dense(units=4)]
    few, many = (Network(layers, x, "float32", 2, batch=batch).run() for batch in (11, 200))
    assert np.array_equal(few.input_gradients["x"], many.input_gradients["x"])


@pytest.mark.parametrize(("rows", "times", "features", "units"), [(3, 4, 5, 7), (2, 1, 30, 3), (5, 13, 8, 20)])
def test_leading_axes_are_positions_of_the_same_layer(rows, times, features, units):
    x = np.random.default_rng(6).standard_normal((rows, times, features))
    network = Network([Dense(units=units, activation="tanh"), Dense(units=2)], x)
    result = network.run()
    inside = np.tanh(x @ result.variables["dense_1/kernel"].reshape(features, units))
    expected = inside @ result.variables["dense_2/kernel"].reshape(units, 2)
    np.testing.assert_allclose(result.outputs.reshape(expected.shape), expected, rtol=1e-12, atol=1e-12)
    check_gradients(network)


def test_positions_have_the_same_bits_on_all_threads():
    x = np.random.default_rng(7).standard_normal((6, 110, 40))
    same_bits_on_threads([Dense(units=70, activation="relu"), Dense(units=10)], x)
    batch_equals_samples([Dense(units=70, activation="relu"), Dense(units=10)], x)


@pytest.mark.parametrize("shape", [(19, 13), (19, 40, 12), (19, 1)])
def test_plain_descent_is_the_gradient_with_its_update(shape):
    x = np.random.default_rng(8).standard_normal(shape)
    layers = [{"type": "dense", "units": 100, "activation": "tanh"}, {"type": "dense", "units": 5}]
    kept = [Training(layers, x, threads, "sgd").run() for threads in (1, 2, 3, 4)]
    apart = Training(layers, x, 2, "sgd", clipvalue=1e9)
    assert {call.kernel for call in apart.plan.calls}.isdisjoint({dense_descend})
    for other in kept[1:]:
        assert differing(kept[0], other) == []
    for name, array in apart.run().items():
        np.testing.assert_allclose(kept[0][name], array, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("features", "units"), [(7, 300), (300, 45), (530, 1), (129, 131)])
def test_many_rows_have_the_bits_of_few(features, units, monkeypatch):
    monkeypatch.setattr("dlrun.layers.dense.SPARSE", (10**9, 10**9))
    x = np.random.default_rng(9).standard_normal((3, 211, features))
    layers = [Dense(units=units, activation="relu", bias_initializer="random_normal")]
    many = Network(layers, x, "float32")
    monkeypatch.setattr("dlrun.layers.dense.PACKED_ROWS", 10**9)
    monkeypatch.setattr("dlrun.layers.dense.MANY_ROWS", 10**9)
    few = Network(layers, x, "float32")
    for network, kernels in ((many, {dense_forward_of_many, dense_backward_weights_of_many}), (few, set())):
        of_many = {dense_forward_of_many, dense_backward_weights_of_many}
        assert {call.kernel for call in network.plan.calls} & of_many == kernels
    one, other = many.run(), few.run()
    assert np.array_equal(one.outputs, other.outputs)
    for name, gradient in one.gradients.items():
        assert np.array_equal(gradient, other.gradients[name])


def test_many_rows_have_the_same_bits_on_all_threads():
    x = np.random.default_rng(10).standard_normal((7, 140, 90))
    same_bits_on_threads([Dense(units=70, activation="relu"), Dense(units=133)], x)


@pytest.mark.parametrize(("features", "units"), [(16, 40), (300, 65), (70, 300)])
@pytest.mark.parametrize("threads", [1, 3])
def test_weights_of_an_inference_are_packed_once(features, units, threads):
    x = np.random.default_rng(12).standard_normal((7, 90, 5))
    layers = [Dense(units=features), Dense(units=units, activation="relu", bias_initializer="random_normal")]
    trained = Network(layers, x, "float32", threads)
    once = Network(layers, x, "float32", threads, training=False, gradients=False)
    assert pack_panels in {call.kernel for call in once.plan.prologue}
    products = [call for call in once.plan.calls if call.kernel is dense_forward_of_many]
    assert [call.arguments["is_packed"] for call in products] == [1, 1]
    assert pack_panels not in {call.kernel for call in (*trained.plan.prologue, *trained.plan.calls)}
    np.testing.assert_array_equal(once.run().outputs, trained.run().outputs)


def test_large_weights_are_not_copied():
    x = np.random.default_rng(13).standard_normal((2, 128, 9))
    network = Network([Dense(units=PACKED_ONCE // 9 + 1)], x, "float32", training=False, gradients=False)
    assert not network.plan.prologue
    products = [call for call in network.plan.calls if call.kernel is dense_forward_of_many]
    assert [call.arguments["is_packed"] for call in products] == [0]
