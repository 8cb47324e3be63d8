"""Positional embeddings against their definitions, central differences, and themselves on other threads."""

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import Dense, PositionalEmbedding
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(("rows", "time", "features", "length"), [(1, 1, 1, None), (3, 7, 5, 9), (4, 40, 33, None)])
def test_learned_vectors_are_added_and_their_gradients_summed(rows, time, features, length):
    x = values(rows, time, features)
    network = Network([PositionalEmbedding(sequence_length=length)], x)
    result = network.run()
    table = result.variables["positional_embedding_1/embeddings"]
    assert table.shape == (length or time, features)
    np.testing.assert_allclose(result.outputs, x + table[:time], rtol=1e-12)
    expected = np.zeros_like(table)
    for n in range(rows):
        expected[:time] += network.coefficients[n] / rows
    np.testing.assert_allclose(result.gradients["positional_embedding_1/embeddings"], expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(result.input_gradients["x"], network.coefficients / rows, rtol=1e-12)


def test_sinusoids_are_the_papers():
    x = values(2, 9, 6)
    outputs = Network([PositionalEmbedding(mode="sinusoidal")], x).run().outputs
    for p in range(9):
        for i in range(6):
            angle = p / 10000 ** (2 * (i // 2) / 6)
            wave = np.sin(angle) if i % 2 == 0 else np.cos(angle)
            np.testing.assert_allclose(outputs[:, p, i] - x[:, p, i], wave, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", ["learned", "sinusoidal"])
def test_gradients_are_central_differences(mode):
    layers = [Dense(units=3), PositionalEmbedding(mode=mode), Dense(units=2, activation="tanh")]
    check_gradients(Network(layers, values(3, 5, 2)))


def test_bits_do_not_depend_on_threads_or_company():
    same_bits_on_threads([PositionalEmbedding(sequence_length=70), Dense(units=3)], values(7, 40, 21))
    batch_equals_samples([PositionalEmbedding()], values(5, 3, 9))


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match="the input has 5 positions, sequence_length is 4"):
        Network([PositionalEmbedding(sequence_length=4)], values(2, 5, 3))
    with pytest.raises(ConfigError, match=r"needs an input of shape \(time, features\)"):
        Network([PositionalEmbedding()], values(2, 5))
