"""Dropout, spatial dropout and Gaussian noise: their draws, statistics, gradients, and that inference is untouched."""

import math

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import Dense, Dropout, Flatten, GaussianNoise, SpatialDropout
from tests.support.network import Network, check_gradients, same_bits_on_threads

LAYERS = [Dropout(rate=0.3), SpatialDropout(rate=0.3), GaussianNoise(stddev=0.5)]
by_name = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.type)


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


@by_name
def test_inference_leaves_the_input_alone_and_calls_nothing(layer):
    x = values(3, 4, 5)
    network = Network([layer], x, training=False, gradients=False)
    np.testing.assert_array_equal(network.run().outputs, x)
    assert not [call for call in network.plan.calls if call.node.startswith(layer.type)]


WITHOUT_STRENGTH = [Dropout(rate=0), SpatialDropout(rate=0), GaussianNoise(stddev=0)]


@pytest.mark.parametrize("layer", WITHOUT_STRENGTH, ids=lambda layer: layer.type)
def test_without_strength_training_leaves_the_input_alone(layer):
    x = values(3, 4, 5)
    result = Network([layer], x).run()
    np.testing.assert_array_equal(result.outputs, x)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_dropout_keeps_the_rest_of_the_share_and_scales_it(precision):
    x = np.ones((64, 1501))
    y = Network([Dropout(rate=0.3)], x, precision).run().outputs
    assert abs((y == 0).mean() - 0.3) < 5 * math.sqrt(0.3 * 0.7 / y.size)
    np.testing.assert_allclose(y[y != 0], 1 / 0.7, rtol=1e-6)
    assert (y[:, 0] == 0).any()
    assert (y[:, -1] == 0).any()
    assert len(np.unique(y == 0, axis=0)) == 64


def test_dropout_drops_the_same_entries_in_both_precisions():
    x = np.ones((16, 300))
    single, double = (Network([Dropout(rate=0.4)], x, precision).run().outputs for precision in ("float32", "float64"))
    np.testing.assert_array_equal(single == 0, double == 0)


def test_spatial_dropout_drops_whole_channels():
    y = Network([SpatialDropout(rate=0.25)], np.ones((64, 3, 5, 50))).run().outputs
    first = y[:, :1, :1, :]
    np.testing.assert_array_equal(y, np.broadcast_to(first, y.shape))
    assert abs((first == 0).mean() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / first.size)
    np.testing.assert_allclose(y[y != 0], 1 / 0.75)


def test_spatial_dropout_refuses_vectors():
    with pytest.raises(ConfigError, match="spatial_dropout needs an input of shape"):
        Network([SpatialDropout(rate=0.25)], np.ones((4, 5)))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_gaussian_noise_has_its_standard_deviation(precision):
    x = values(32, 2000)
    noise = Network([GaussianNoise(stddev=0.5)], x, precision).run().outputs - x
    assert abs(noise.mean()) < 5 * 0.5 / math.sqrt(noise.size)
    assert abs(noise.std() - 0.5) < 5 * 0.5 / math.sqrt(2 * noise.size)
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 5 / math.sqrt(noise.size)


@by_name
def test_every_step_row_and_layer_draws_anew_and_the_same_step_the_same(layer):
    x = np.broadcast_to(values(1, 4, 50), (8, 4, 50))
    network = Network([layer], x)
    first, second, again = (network.run(step).outputs for step in (0, 1, 0))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    assert len(np.unique(first, axis=0)) == 8
    other = Network([layer.model_copy(update={"name": "other"})], x).run().outputs
    assert not np.array_equal(first, other)


@by_name
def test_the_draw_follows_the_runs_seed_unless_the_layer_has_its_own(layer):
    x = values(4, 4, 50)
    a, b = (Network([layer], x, seed=seed).run().outputs for seed in (0, 1))
    assert not np.array_equal(a, b)
    own = layer.model_copy(update={"seed": 7})
    a, b = (Network([own], x, seed=seed).run().outputs for seed in (0, 1))
    np.testing.assert_array_equal(a, b)


@by_name
def test_gradients_are_central_differences(layer):
    check_gradients(Network([layer, Flatten(), Dense(units=3)], values(3, 4, 5)))


@pytest.mark.parametrize("layer", [Dropout(rate=0.3), GaussianNoise(stddev=0.5)], ids=lambda one: one.type)
def test_gradients_are_central_differences_in_place(layer):
    check_gradients(Network([Dense(units=6), layer, Dense(units=3)], values(5, 7)))


@by_name
def test_bits_do_not_depend_on_threads(layer):
    same_bits_on_threads([layer], values(7, 3, 40))


@by_name
def test_a_rows_draw_does_not_depend_on_how_many_rows_there_are(layer):
    x = values(6, 3, 40)
    many, few = Network([layer], x).run().outputs, Network([layer], x[:4]).run().outputs
    np.testing.assert_array_equal(many[:4], few)


@pytest.mark.parametrize("fields", [{"rate": 1.0}, {"rate": -0.1}, {}])
def test_rates_outside_the_range_are_refused(fields):
    with pytest.raises(ValueError, match="rate"):
        Dropout(**fields)
