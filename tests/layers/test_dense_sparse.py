"""The dense layer over data with many zeros, which leaves their terms out: the bits of the products over all terms."""

import numpy as np
import pytest

from dlrun.kernels.dense_sparse import (
    DEPTH,
    FEW_ZEROS,
    dense_backward_weights_sparse,
    dense_descend_sparse,
    dense_forward_sparse,
)
from dlrun.layers import Dense
from tests.support.cases import with_zeros
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads
from tests.support.training import Training, differing

LAYERS = [Dense(units=90, activation="relu", bias_initializer="random_normal"), Dense(units=4)]
AS_IN_A_CONFIG = [{"type": "dense", "units": 150, "activation": "tanh"}, {"type": "dense", "units": 3}]


def inputs(rows, features, share=0.7, seed=1):
    return with_zeros(np.random.default_rng(seed).standard_normal((rows, features)), share)


def kernels(plan):
    return {call.kernel for call in plan.calls}


def searches(plan):
    """Whether the first layer's forward product looks for zeros, whether it sums over halves or not."""
    return dense_forward_sparse in kernels(plan) or any(call.arguments.get("searches") for call in plan.calls)


@pytest.fixture
def whole(monkeypatch):
    """Return what lets no product look for zeros."""
    return lambda: monkeypatch.setattr("dlrun.layers.dense.SPARSE", (10**9, 10**9))


@pytest.mark.parametrize(("rows", "features"), [(1, 64), (13, 100), (6, 2 * DEPTH + 3), (300, 130)])
def test_products_are_those_of_numpy(rows, features):
    x = inputs(rows, features)
    network = Network(LAYERS, x)
    assert searches(network.plan)
    assert dense_backward_weights_sparse in kernels(network.plan)
    result = network.run()
    w1, w2 = (result.variables[f"dense_{i}/kernel"] for i in (1, 2))
    hidden = np.maximum(x @ w1 + result.variables["dense_1/bias"], 0)
    np.testing.assert_allclose(result.outputs, hidden @ w2 + result.variables["dense_2/bias"], rtol=1e-12, atol=1e-12)
    dy = (network.coefficients @ w2.T) * (hidden > 0)
    np.testing.assert_allclose(result.gradients["dense_1/kernel"], x.T @ dy / rows, rtol=1e-12, atol=1e-12)


def test_gradients_are_central_differences():
    check_gradients(Network(LAYERS, inputs(7, 75)))


@pytest.mark.parametrize("share", [0, 0.5, 0.95, 1])
@pytest.mark.parametrize(("rows", "features", "units"), [(5, 64, 32), (33, 700, 45), (1100, 90, 33), (300, 1030, 140)])
def test_bits_are_those_over_all_terms(rows, features, units, share, whole):
    x = inputs(rows, features, share)
    layers = [Dense(units=units, activation="relu", bias_initializer="random_normal"), Dense(units=4)]
    sparse = Network(layers, x, "float32")
    whole()
    dense = Network(layers, x, "float32")
    assert searches(sparse.plan)
    assert not searches(dense.plan)
    one, other = sparse.run(), dense.run()
    assert np.array_equal(one.outputs, other.outputs)
    for name, gradient in one.gradients.items():
        assert np.array_equal(gradient, other.gradients[name])


@pytest.mark.parametrize("features", [64, 333, 1100])
@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_plain_descent_has_the_bits_over_all_terms(features, threads, whole):
    x = inputs(19, features)
    sparse = Training(AS_IN_A_CONFIG, x, threads, "sgd")
    whole()
    dense = Training(AS_IN_A_CONFIG, x, threads, "sgd")
    assert dense_descend_sparse in kernels(sparse.plan) - kernels(dense.plan)
    assert differing(sparse.run(), dense.run()) == []


def test_a_long_descent_is_summed_over_parts(monkeypatch, whole):
    monkeypatch.setattr("tests.support.training.BATCH", 2 * DEPTH + 100)
    x = inputs(2 * DEPTH + 100, 120)
    sparse = Training(AS_IN_A_CONFIG, x, 2, "sgd")
    whole()
    assert differing(sparse.run(), Training(AS_IN_A_CONFIG, x, 2, "sgd").run()) == []


def test_bits_do_not_depend_on_threads_nor_on_the_other_samples():
    x = inputs(17, 300)
    same_bits_on_threads(LAYERS, x)
    batch_equals_samples(LAYERS, x)


@pytest.mark.parametrize("first_row_is_zero", [False, True])
def test_the_first_row_only_decides_how(first_row_is_zero, whole):
    x = inputs(9, 200, 0 if first_row_is_zero else 0.9)
    x[0] = 0 if first_row_is_zero else np.arange(200) % FEW_ZEROS + 1
    sparse = Network(LAYERS, x, "float32").run()
    whole()
    assert np.array_equal(sparse.outputs, Network(LAYERS, x, "float32").run().outputs)


def test_a_number_that_is_none_is_no_zero():
    x = inputs(9, 200)
    x[4] = 0
    x[4, 7] = np.nan
    network = Network(LAYERS, x, "float32")
    assert not network.executor.run(np.array([[9, 0, 0, 1, 1]]), np.zeros((1, 1))).finished


def test_outputs_of_layers_are_not_searched():
    network = Network([Dense(units=100), Dense(units=100), Dense(units=3)], inputs(9, 20))
    assert not searches(network.plan)
