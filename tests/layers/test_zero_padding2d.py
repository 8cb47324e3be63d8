"""Zero padding against NumPy and central differences."""

import numpy as np
import pytest

from dlrun.layers.zero_padding2d import ZeroPadding2D
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads


@pytest.mark.parametrize(
    ("padding", "sides"),
    [(2, ((2, 2), (2, 2))), (0, ((0, 0), (0, 0))), ((1, 3), ((1, 1), (3, 3))), (((0, 2), (3, 1)), ((0, 2), (3, 1)))],
)
def test_agrees_with_numpy_and_gradients_are_central_differences(padding, sides):
    x = np.random.default_rng(1).standard_normal((3, 4, 5, 2))
    network = Network([ZeroPadding2D(padding=padding)], x)
    assert np.array_equal(network.run().outputs, np.pad(x, ((0, 0), *sides, (0, 0))))
    check_gradients(network)


def test_bits_depend_neither_on_threads_nor_on_the_batch():
    x = np.random.default_rng(1).standard_normal((5, 4, 5, 2))
    same_bits_on_threads([ZeroPadding2D(padding=((0, 2), (3, 1)))], x)
    batch_equals_samples([ZeroPadding2D()], x)
