"""A vector at every step of a sequence: against NumPy, central differences, and itself on other threads."""

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import LSTM, Dense, Flatten, RepeatVector
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(("n", "features"), [(1, 1), (3, 7), (9, 33)])
def test_every_step_is_the_vector_and_gradients_are_added_up(n, features):
    x = values(5, features)
    network = Network([RepeatVector(n=n)], x)
    result = network.run()
    np.testing.assert_array_equal(result.outputs, np.repeat(x[:, None], n, axis=1))
    np.testing.assert_allclose(result.input_gradients["x"], network.coefficients.sum(1) / 5, rtol=1e-12)


def test_gradients_are_central_differences():
    check_gradients(
        Network([Dense(units=5), RepeatVector(n=6), Flatten(), Dense(units=2, activation="tanh")], values(4, 3))
    )


def test_bits_do_not_depend_on_threads_or_company():
    same_bits_on_threads([RepeatVector(n=5), Flatten(), Dense(units=3)], values(13, 21))
    batch_equals_samples([RepeatVector(n=5)], values(5, 9))


def test_an_encoder_and_a_decoder():
    layers = [LSTM(units=4), RepeatVector(n=3), LSTM(units=5, return_sequences=True), Dense(units=2)]
    network = Network(layers, values(3, 6, 2))
    assert network.graph.output.output_shape == (3, 2)
    check_gradients(network)


def test_sequences_are_refused():
    with pytest.raises(ConfigError, match=r"repeat_vector needs an input of shape \(features,\), got \(4, 3\)"):
        Network([RepeatVector(n=2)], values(2, 4, 3))
