"""The sampling layer of variational autoencoders: its draws, its divergence, their gradients, what is reported."""

import numpy as np
import pytest

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import UpdateRule
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ConfigError
from dlrun.executor.executor import Executor
from dlrun.layers import Dense, Reshape, VariationalSampling
from dlrun.losses import LOSSES
from tests.support.network import Network, check_gradients, same_bits_on_threads


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def two_inputs(**fields):
    return [VariationalSampling(inputs=("mean", "spread"), **fields)], {
        "mean": values(5, 7),
        "spread": values(5, 7, seed=2),
    }


def divergence(mean, log_variance):
    """Equation 10, sample by sample, as a plain loop."""
    result = np.zeros(len(mean))
    for r, (ms, vs) in enumerate(zip(mean.reshape(len(mean), -1), log_variance.reshape(len(mean), -1), strict=True)):
        for m, v in zip(ms, vs, strict=True):
            result[r] += -0.5 * (1 + v - m * m - np.exp(v))
    return result


def test_inference_gives_the_mean_and_counts_the_divergence():
    layers, inputs = two_inputs(kl_weight=0.5)
    network = Network(layers, inputs, training=False, gradients=False)
    result = network.run()
    np.testing.assert_array_equal(result.outputs, inputs["mean"])
    own = (network.coefficients * result.outputs).sum(axis=1)
    expected = own + 0.5 * divergence(inputs["mean"], inputs["spread"])
    np.testing.assert_allclose(network.executor.array("losses"), expected, rtol=1e-12)
    np.testing.assert_allclose(network.executor.array("loss/added/kl"), expected - own, rtol=1e-12)


def test_training_draws_around_the_mean_by_the_variance():
    mean, log_variance = np.full((64, 500), 3.0), np.full((64, 500), np.log(0.25))
    network = Network([VariationalSampling(inputs=("m", "v"))], {"m": mean, "v": log_variance})
    first, second, again = (network.run(step).outputs for step in (0, 1, 0))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.03
    assert abs(first.mean() - 3) < 5 * 0.5 / np.sqrt(first.size)
    assert abs(first.std() - 0.5) < 5 * 0.5 / np.sqrt(2 * first.size)
    assert len(np.unique(first, axis=0)) == 64


@pytest.mark.parametrize("shape", [(6,), (3, 4), (1300,)])
def test_one_input_holds_both_halves(shape):
    mean, log_variance = values(3, *shape), values(3, *shape, seed=2)
    both = np.concatenate([mean, log_variance], axis=-1)
    alone = Network([VariationalSampling()], both).run()
    apart = Network(
        [VariationalSampling(name="variational_sampling_1", inputs=("m", "v"))], {"m": mean, "v": log_variance}
    ).run()
    np.testing.assert_array_equal(alone.outputs, apart.outputs)
    assert alone.loss == apart.loss
    gradients = np.concatenate([apart.input_gradients["m"], apart.input_gradients["v"]], axis=-1)
    np.testing.assert_array_equal(alone.input_gradients["x"], gradients)


@pytest.mark.parametrize("training", [True, False])
def test_gradients(training):
    layers, inputs = two_inputs(kl_weight=2.0)
    check_gradients(Network(layers, inputs, training=training))
    check_gradients(Network([VariationalSampling(kl_weight=0.3)], values(4, 2, 6), training=training))


def test_gradients_of_layers_around_it_where_one_input_has_none():
    layers = [
        Dense(name="mean", units=3, inputs=("x",)),
        VariationalSampling(inputs=("mean", "x")),
        Dense(units=2),
    ]
    check_gradients(Network(layers, values(4, 3)))


def test_without_weight_there_is_only_the_loss():
    layers, inputs = two_inputs(kl_weight=0.0)
    network = Network(layers, inputs)
    result = network.run()
    np.testing.assert_array_equal(network.executor.array("loss/added/kl"), 0)
    np.testing.assert_array_equal(result.input_gradients["mean"], network.coefficients / 5)


def test_several_layers_add_up_and_one_that_nobody_reads_counts():
    layers = [
        VariationalSampling(name="first", inputs=("x",)),
        VariationalSampling(name="lonely", inputs=("x",), kl_weight=3.0),
        Dense(units=2, inputs=("first",)),
    ]
    x = values(4, 6)
    network = Network(layers, x)
    network.run()
    expected = 4 * divergence(x[:, :3], x[:, 3:])
    np.testing.assert_allclose(network.executor.array("loss/added/kl"), expected, rtol=1e-12)
    check_gradients(network)


def test_threads_change_nothing():
    layers, inputs = two_inputs()
    same_bits_on_threads(layers, inputs)


def test_sample_weights_count_for_the_divergence_and_its_gradient():
    x, weights = values(4, 6), np.array([0.5, 2, 0, 1], np.float32)
    target = Feature("target", (3,), "float64")
    signature = Signature({"x": Feature("x", (6,), "float64")}, {"target": target})
    layers = [Reshape(target_shape=[6]), VariationalSampling()]
    model = Model(layers, [("model", "layers", i) for i in range(2)], signature, LOSSES["mse"](weight=0.25))
    goal = Goal(gradients=True, input_gradients=True, keep=True, collect=False, weighted=True)
    plan = compile_plan(model, goal, UpdateRule(), "float64", 4, 2, 0)
    data = {
        "data/inputs/x": x, "data/targets/target": np.zeros((4, 3)), "data/sample_weights": weights,
        "order": np.arange(4),
    }  # fmt: skip
    executor = Executor(plan, 2, data)
    assert executor.run(np.array([[4, 0, 0, 1, 1, 0]]), np.zeros((1, 1))).finished
    mean, log_variance = x[:, :3], x[:, 3:]
    expected = weights * (0.25 * (mean**2).mean(axis=1) + divergence(mean, log_variance))
    np.testing.assert_allclose(executor.array("losses"), expected, rtol=1e-12)
    of_variance = weights[:, None] / 4 * 0.5 * (np.exp(log_variance) - 1)
    np.testing.assert_allclose(executor.array("x/gradient").reshape(4, 6)[:, 3:], of_variance, rtol=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="as many log-variances as means"):
        Network([VariationalSampling(inputs=("a", "b"))], {"a": values(2, 3), "b": values(2, 4)})
    with pytest.raises(ConfigError, match="needs an even last axis"):
        Network([VariationalSampling()], values(2, 3))
