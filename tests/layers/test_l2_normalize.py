"""Vectors of length 1 against their definition, PyTorch, central differences, and themselves on other threads."""

import numpy as np
import pytest

from dlrun.layers import LAYERS, Dense, Flatten, L2Normalize
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape) + 0.5


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (5, 64), (9, 3, 33), (2, 3, 4, 5)], ids=str)
def test_every_vector_has_length_1(shape):
    x = values(*shape)
    outputs = Network([L2Normalize()], x, training=False, gradients=False).run().outputs
    np.testing.assert_allclose(outputs, x / np.linalg.norm(x, axis=-1, keepdims=True), rtol=1e-13)


def test_vectors_shorter_than_epsilon_are_divided_by_it():
    x = np.array([[0.0, 0.0], [0.03, 0.04], [3.0, 4.0]])
    network = Network([L2Normalize(epsilon=0.1)], x)
    result = network.run()
    np.testing.assert_allclose(result.outputs, [[0, 0], [0.3, 0.4], [0.6, 0.8]], rtol=1e-13)
    check_gradients(network)


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 10)], ids=str)
def test_gradients_are_central_differences(shape):
    check_gradients(Network([L2Normalize(), Flatten(), Dense(units=2, activation="tanh")], values(*shape)))


def test_bits_do_not_depend_on_threads_or_company():
    same_bits_on_threads([L2Normalize(), Flatten(), Dense(units=3)], values(13, 3, 21))
    batch_equals_samples([L2Normalize()], values(5, 3, 9))


@pytest.mark.parametrize("epsilon", [1e-12, 3.0])
def test_output_and_gradient_are_pytorchs(epsilon):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = values(6, 5, 7)
    network = Network([L2Normalize(epsilon=epsilon)], x)
    result = network.run()
    leaf = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.normalize(leaf, dim=-1, eps=epsilon)
    (y * torch.tensor(network.coefficients)).sum().div(6).backward()
    np.testing.assert_allclose(result.outputs, y.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(result.input_gradients["x"], leaf.grad.numpy(), rtol=1e-9, atol=1e-13)


def test_it_has_keras_name_too():
    assert LAYERS["unit_normalization"] is L2Normalize
