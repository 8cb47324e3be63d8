"""Layer normalisation against its definition, PyTorch, central differences, and itself on other threads."""

import numpy as np
import pytest

from dlrun.layers import Dense, Flatten, LayerNormalization
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

RANDOM = {"gamma_initializer": "random_normal", "beta_initializer": "random_normal"}


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape) * 2 + 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 64), (9, 3, 33), (2, 3, 4, 5)], ids=str)
def test_every_vector_is_normalised(shape):
    x = values(*shape)
    result = Network([LayerNormalization(**RANDOM)], x).run()
    gamma, beta = (result.variables[f"layer_normalization_1/{name}"] for name in ("gamma", "beta"))
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    np.testing.assert_allclose(result.outputs, expected, rtol=1e-10, atol=1e-12)


def test_float32_variance_does_not_cancel():
    x = (values(4, 100) + 3000).astype(np.float32).astype(np.float64)
    y = Network([LayerNormalization()], x, "float32", gradients=False).run().outputs
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 10)], ids=str)
@pytest.mark.parametrize("fields", [RANDOM, {"center": False}, {"scale": False}, {"center": False, "scale": False}])
def test_gradients_are_central_differences(shape, fields):
    layers = [LayerNormalization(**fields), Flatten(), Dense(units=2, activation="tanh")]
    check_gradients(Network(layers, values(*shape)))


def test_frozen_layers_pass_the_gradient_on():
    layers = [Dense(units=5), LayerNormalization(trainable=False, **RANDOM), Dense(units=2)]
    network = Network(layers, values(4, 3))
    assert not any(name.startswith("layer_normalization") for name in network.run().gradients)
    check_gradients(network)


def test_bits_do_not_depend_on_threads_or_company():
    same_bits_on_threads([LayerNormalization(**RANDOM), Flatten(), Dense(units=3)], values(13, 3, 21))
    batch_equals_samples([LayerNormalization(**RANDOM)], values(5, 3, 9))


def test_output_and_gradients_are_pytorchs():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = values(6, 5, 7)
    network = Network([LayerNormalization(**RANDOM)], x)
    result = network.run()
    name = "layer_normalization_1"
    leaf, gamma, beta = (
        torch.tensor(array, requires_grad=True)
        for array in (x, result.variables[f"{name}/gamma"], result.variables[f"{name}/beta"])
    )
    y = torch.nn.functional.layer_norm(leaf, (7,), gamma, beta, eps=1e-3)
    (y * torch.tensor(network.coefficients)).sum().div(6).backward()
    np.testing.assert_allclose(result.outputs, y.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.input_gradients["x"], leaf.grad.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.gradients[f"{name}/gamma"], gamma.grad.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.gradients[f"{name}/beta"], beta.grad.numpy(), rtol=1e-9, atol=1e-12)
