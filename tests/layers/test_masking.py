"""Padding of sequences of numbers: against NumPy, central differences, and itself on other threads."""

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import GRU, LAYERS, Dense, GlobalAveragePool1D, Masking
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

LENGTHS = (5, 3, 1, 0, 4)


def values(features=3, padding=0.0, seed=1):
    """Return sequences of LENGTHS, whose last steps are padding."""
    x = np.random.default_rng(seed).standard_normal((len(LENGTHS), 5, features))
    x[:, :, 0][:, 1] = padding  # a single number that is the padding's doesn't make a step padding
    return np.where((np.arange(5) < np.array(LENGTHS)[:, None])[..., None], x, padding)


@pytest.mark.parametrize("padding", [0.0, -1.5])
def test_steps_of_nothing_but_the_value_are_padding(padding):
    x = values(padding=padding)
    network = Network([Masking(mask_value=padding)], x)
    result = network.run()
    is_real = np.arange(5) < np.array(LENGTHS)[:, None]
    np.testing.assert_array_equal(network.executor.array("masking_1/mask").reshape(is_real.shape), is_real)
    np.testing.assert_array_equal(result.outputs, np.where(is_real[..., None], x, 0))
    np.testing.assert_allclose(result.input_gradients["x"], network.coefficients * is_real[..., None] / len(LENGTHS))


def test_layers_that_follow_leave_padding_out():
    x = values(padding=-1.5)
    masking = Masking(mask_value=-1.5)
    outputs = Network([masking, GlobalAveragePool1D()], x, training=False, gradients=False).run().outputs
    for length, sequence, mean in zip(LENGTHS, x, outputs, strict=True):
        np.testing.assert_allclose(mean, sequence[:length].mean(0) if length else 0, rtol=1e-13)
    state = Network([masking, GRU(units=4)], x, training=False, gradients=False).run().outputs
    cut = Network([masking, GRU(units=4)], x[4:, :4], training=False, gradients=False).run().outputs
    np.testing.assert_allclose(state[4], cut[0], rtol=1e-13)


def test_no_gradient_passes_padding():
    layers = [Masking(), Dense(units=4, activation="tanh"), GRU(units=3, bidirectional=True), Dense(units=2)]
    gradient = Network(layers, values()).run().input_gradients["x"]
    is_real = np.arange(5) < np.array(LENGTHS)[:, None]
    assert not gradient[~is_real].any()
    assert gradient[is_real].all()


def test_gradients_are_central_differences():
    layers = [Dense(units=4, bias_initializer="ones"), Masking(), LAYERS["tanh"](), GlobalAveragePool1D()]
    check_gradients(Network(layers, values()))


def test_bits_do_not_depend_on_threads_or_company():
    layers = [Masking(), GRU(units=5), Dense(units=3)]
    same_bits_on_threads(layers, values(21))
    batch_equals_samples(layers, values(9))


def test_vectors_are_refused():
    with pytest.raises(ConfigError, match=r"masking needs an input of shape \(time, features\), got \(4,\)"):
        Network([Masking()], np.zeros((2, 4)))
