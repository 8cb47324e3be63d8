"""Enlarging images against NumPy, PyTorch, central differences, and itself on other threads."""

import numpy as np
import pytest

from dlrun.layers.up_sampling2d import UpSampling2D
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads


def images(shape=(3, 4, 5, 3)):
    return np.random.default_rng(1).standard_normal(shape)


@pytest.mark.parametrize("size", [1, 2, (3, 1)])
def test_nearest_repeats_entries(size):
    network = Network([UpSampling2D(size=size)], images())
    down, right = (size, size) if isinstance(size, int) else size
    assert np.array_equal(network.run().outputs, images().repeat(down, 1).repeat(right, 2))
    check_gradients(network)


@pytest.mark.parametrize("size", [1, 2, (3, 2)])
@pytest.mark.parametrize("shape", [(2, 4, 5, 9), (2, 1, 3, 2), (1, 1, 1, 1)])
def test_bilinear_is_a_line_between_centres(size, shape):
    network = Network([UpSampling2D(size=size, interpolation="bilinear")], images(shape))
    x, (down, right) = images(shape), (size, size) if isinstance(size, int) else size

    def along(values, factor):
        at = (np.arange(len(values) * factor) + 0.5) / factor - 0.5
        return np.interp(at, np.arange(len(values)), values)

    expected = np.apply_along_axis(along, 2, np.apply_along_axis(along, 1, x, down), right)
    np.testing.assert_allclose(network.run().outputs, expected, rtol=1e-12, atol=1e-13)
    check_gradients(network, most=60)


def test_bilinear_agrees_with_torch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    result = Network([UpSampling2D(size=(2, 3), interpolation="bilinear")], images()).run()
    x = torch.tensor(images()).permute(0, 3, 1, 2)
    y = torch.nn.functional.interpolate(x, scale_factor=(2, 3), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(result.outputs, y.permute(0, 2, 3, 1).numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_bits_depend_neither_on_threads_nor_on_the_batch(interpolation):
    layers = [UpSampling2D(size=(2, 3), interpolation=interpolation)]
    same_bits_on_threads(layers, images((5, 4, 3, 9)))
    batch_equals_samples(layers, images())
