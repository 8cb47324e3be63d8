"""Batch normalisation against its definition, PyTorch, central differences, and itself on other threads."""

import numpy as np
import pytest

from dlrun.layers import LAYERS, BatchNormalization, Dense, Flatten
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

SHAPES = [(1, 3), (2, 1), (9, 5), (16, 33), (3, 5, 7), (11, 4, 3, 2), (5, 9, 8, 17)]
RANDOM = {"gamma_initializer": "random_normal", "beta_initializer": "random_normal"}


def values(*shape, seed=1, mean=0.0):
    return np.random.default_rng(seed).standard_normal(shape) * 2 + mean


def definition(x, gamma, beta, mean, variance, epsilon=1e-3):
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training_normalises_by_the_batch(shape):
    x = values(*shape)
    result = Network([BatchNormalization(**RANDOM)], x).run()
    gamma, beta = (result.variables[f"batch_normalization_1/{name}"] for name in ("gamma", "beta"))
    axes = tuple(range(len(shape) - 1))
    expected = definition(x, gamma, beta, x.mean(axes), x.var(axes))
    np.testing.assert_allclose(result.outputs, expected, rtol=1e-10, atol=1e-12)


def test_moving_statistics_follow_the_batch_as_in_keras():
    x = values(10, 6, 3, mean=5.0)
    network = Network([BatchNormalization(momentum=0.9)], x)
    for step in range(2):
        result = network.run(step)
    mean, variance = x.mean((0, 1)), x.var((0, 1))
    found = {name.split("/")[1]: value for name, value in result.variables.items()}
    np.testing.assert_allclose(found["moving_mean"], (0.9 * 0.1 + 0.1) * mean, rtol=1e-12)
    np.testing.assert_allclose(found["moving_variance"], 0.81 + (0.9 * 0.1 + 0.1) * variance, rtol=1e-12)


HOW = {"inference": {"training": False, "gradients": False}, "frozen": {"training": True}}


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_inference_and_frozen_layers_take_the_moving_statistics_and_leave_them(how):
    x = values(6, 4, 5)
    layer = BatchNormalization(
        moving_mean_initializer="random_normal",
        moving_variance_initializer={"type": "random_uniform", "minimum": 0.5, "maximum": 2.0},
        trainable=not how["training"],
        **RANDOM,
    )
    network = Network([layer], x, **how)
    before = {name.split("/")[1]: network.executor.array(name).copy() for name, _ in network.names}
    result = network.run()
    expected = definition(x, before["gamma"], before["beta"], before["moving_mean"], before["moving_variance"])
    np.testing.assert_allclose(result.outputs, expected, rtol=1e-12)
    for name, value in result.variables.items():
        np.testing.assert_array_equal(value, before[name.split("/")[1]])
    assert not any(name.startswith("batch") for name in result.gradients)


@pytest.mark.parametrize("shape", [(5, 3), (9, 4, 3, 2)], ids=str)
@pytest.mark.parametrize("fields", [RANDOM, {"center": False}, {"scale": False}, {"center": False, "scale": False}])
def test_gradients_are_central_differences(shape, fields):
    layers = [BatchNormalization(**fields), Flatten(), Dense(units=2, activation="tanh")]
    check_gradients(Network(layers, values(*shape)))


def test_gradients_are_central_differences_under_a_fused_relu():
    check_gradients(Network([Dense(units=4), BatchNormalization(**RANDOM), LAYERS["relu"]()], values(7, 3)))


def test_gradients_of_frozen_layers_and_of_inference_are_central_differences():
    layers = [Dense(units=4), BatchNormalization(trainable=False, **RANDOM), Dense(units=2)]
    check_gradients(Network(layers, values(7, 3)))
    layers = [Dense(units=4), BatchNormalization(**RANDOM), Dense(units=2)]
    check_gradients(Network(layers, values(7, 3), training=False))


@pytest.mark.parametrize("shape", [(13, 21), (5, 70, 12)], ids=str)
def test_bits_do_not_depend_on_threads(shape):
    same_bits_on_threads([BatchNormalization(**RANDOM), Flatten(), Dense(units=3)], values(*shape))


def test_inference_of_a_batch_equals_its_samples():
    batch_equals_samples([BatchNormalization(**RANDOM), LAYERS["relu"]()], values(5, 3, 9))


@pytest.mark.parametrize("rows", [1, 3, 8, 70])
def test_float32_statistics_do_not_cancel(rows):
    x = (values(rows, 50, 4) + 3000).astype(np.float32).astype(np.float64)
    network = Network([BatchNormalization(momentum=0.0)], x, "float32", gradients=False)
    variables = network.run().variables
    np.testing.assert_allclose(variables["batch_normalization_1/moving_mean"], x.mean((0, 1)), rtol=2e-7)
    np.testing.assert_allclose(variables["batch_normalization_1/moving_variance"], x.var((0, 1)), rtol=1e-4)


def test_rows_beyond_a_short_last_batch_are_not_counted():
    x = values(5, 3, 4)
    short = Network([BatchNormalization()], x, batch=16).run()
    exact = Network([BatchNormalization()], x).run()
    np.testing.assert_array_equal(short.outputs, exact.outputs)


def test_output_and_gradients_are_pytorchs():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = values(6, 5, 4, 3)
    network = Network([BatchNormalization(**RANDOM, momentum=0.9)], x)
    result = network.run()
    found = {name.split("/")[1]: torch.tensor(value) for name, value in result.variables.items()}
    leaf = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.BatchNorm2d(3, eps=1e-3, momentum=0.1, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(found["gamma"])
        theirs.bias.copy_(found["beta"])
    y = theirs(leaf.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    (y * torch.tensor(network.coefficients)).sum().div(6).backward()
    np.testing.assert_allclose(result.outputs, y.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.input_gradients["x"], leaf.grad.numpy(), rtol=1e-9, atol=1e-12)
    for mine, gradient in (("gamma", theirs.weight.grad), ("beta", theirs.bias.grad)):
        np.testing.assert_allclose(result.gradients[f"batch_normalization_1/{mine}"], gradient.numpy(), rtol=1e-9)
    np.testing.assert_allclose(found["moving_mean"], theirs.running_mean.numpy(), rtol=1e-12)
