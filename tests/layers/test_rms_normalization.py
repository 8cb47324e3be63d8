"""RMS normalisation against its definition, PyTorch, central differences, and itself on other threads."""

import numpy as np
import pytest

from dlrun.layers import Dense, Flatten, RMSNormalization
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

RANDOM = {"gamma_initializer": "random_normal"}


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape) * 2 + 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 64), (9, 3, 33), (2, 3, 4, 5)], ids=str)
def test_every_vector_is_normalised(shape):
    x = values(*shape)
    result = Network([RMSNormalization(epsilon=0.01, **RANDOM)], x).run()
    gamma = result.variables["rms_normalization_1/gamma"]
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.01) * gamma
    np.testing.assert_allclose(result.outputs, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 10)], ids=str)
def test_gradients_are_central_differences(shape):
    layers = [RMSNormalization(**RANDOM), Flatten(), Dense(units=2, activation="tanh")]
    check_gradients(Network(layers, values(*shape)))


def test_frozen_layers_pass_the_gradient_on():
    network = Network([Dense(units=5), RMSNormalization(trainable=False, **RANDOM), Dense(units=2)], values(4, 3))
    assert not any(name.startswith("rms_normalization") for name in network.run().gradients)
    check_gradients(network)


def test_bits_do_not_depend_on_threads_or_company():
    same_bits_on_threads([RMSNormalization(**RANDOM), Flatten(), Dense(units=3)], values(13, 3, 21))
    batch_equals_samples([RMSNormalization(**RANDOM)], values(5, 3, 9))


def test_output_and_gradients_are_pytorchs():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = values(6, 5, 7)
    network = Network([RMSNormalization(**RANDOM)], x)
    result = network.run()
    leaf = torch.tensor(x, requires_grad=True)
    gamma = torch.tensor(result.variables["rms_normalization_1/gamma"], requires_grad=True)
    y = torch.nn.functional.rms_norm(leaf, (7,), gamma, eps=1e-6)
    (y * torch.tensor(network.coefficients)).sum().div(6).backward()
    np.testing.assert_allclose(result.outputs, y.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(result.input_gradients["x"], leaf.grad.numpy(), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(result.gradients["rms_normalization_1/gamma"], gamma.grad.numpy(), rtol=1e-9)
