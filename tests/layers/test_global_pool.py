"""Global pools against NumPy, central differences, and themselves on other threads."""

import numpy as np
import pytest

from dlrun.kernels.global_pooling import global_max_forward
from dlrun.layers.global_average_pool1d import GlobalAveragePool1D
from dlrun.layers.global_average_pool2d import GlobalAveragePool2D
from dlrun.layers.global_max_pool1d import GlobalMaxPool1D
from dlrun.layers.global_max_pool2d import GlobalMaxPool2D
from tests.support.kernels import call_kernel
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

KINDS = [
    (GlobalAveragePool1D, (7,), np.mean),
    (GlobalAveragePool2D, (5, 4), np.mean),
    (GlobalMaxPool1D, (7,), np.max),
    (GlobalMaxPool2D, (5, 4), np.max),
]


def samples(axes, rows=3, channels=19):
    return np.random.default_rng(1).standard_normal((rows, *axes, channels))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("kind", "axes", "reduce"), KINDS)
def test_agrees_with_numpy_and_gradients_are_central_differences(kind, axes, reduce, keepdims):
    network = Network([kind(keepdims=keepdims)], samples(axes))
    expected = reduce(samples(axes), axis=tuple(range(1, 1 + len(axes))), keepdims=keepdims)
    np.testing.assert_allclose(network.run().outputs, expected, rtol=1e-13)
    check_gradients(network, most=60)


@pytest.mark.parametrize(("kind", "axes", "reduce"), KINDS)
def test_bits_depend_neither_on_threads_nor_on_the_batch(kind, axes, reduce):
    same_bits_on_threads([kind()], samples(axes, rows=5))
    batch_equals_samples([kind()], samples(axes))


def test_of_equal_entries_the_first_gets_the_gradient():
    gradient = Network([GlobalMaxPool2D()], np.ones((2, 2, 2, 3))).run().input_gradients["x"]
    assert gradient[:, 0, 0].all()
    assert not gradient.reshape(2, 4, 3)[:, 1:].any()


@pytest.mark.parametrize("places", range(1, 11))
def test_the_largest_is_found_at_every_place(places):
    """Places are compared four at a time, and the rest one by one; NaN counts as the largest."""
    x = np.tile(np.eye(places, dtype=np.float32)[:, :, None], (1, 1, 9))
    y, winner = np.zeros((places, 9), np.float32), np.zeros((places, 9), np.int32)
    sizes = {"rows": places, "places": places, "channels": 9}
    call_kernel(global_max_forward, x=x, y=y, winner=winner, **sizes)
    assert (y == 1).all()
    assert (winner == np.arange(places)[:, None]).all()
    x[:, places // 2] = np.nan
    call_kernel(global_max_forward, x=x, y=y, winner=winner, **sizes)
    assert np.isnan(y).all()
    assert (winner == places // 2).all()
