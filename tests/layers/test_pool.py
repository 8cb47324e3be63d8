"""Max and average pools against plain loops, central differences, PyTorch, and themselves on other threads."""

import numpy as np
import pytest

from dlrun.layers.average_pool1d import AveragePool1D
from dlrun.layers.average_pool2d import AveragePool2D
from dlrun.layers.max_pool1d import MaxPool1D
from dlrun.layers.max_pool2d import MaxPool2D
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

CASES = [
    # input shape (rows, height, width, channels), fields
    ((2, 4, 6, 33), {}),
    ((2, 5, 7, 3), {}),
    ((1, 1, 1, 1), {"pool_size": 1}),
    ((2, 5, 7, 3), {"padding": "same"}),
    ((2, 7, 7, 3), {"pool_size": 3, "strides": 2}),
    ((2, 7, 8, 5), {"pool_size": (3, 2), "strides": (1, 3), "padding": "same"}),
    ((2, 8, 9, 2), {"pool_size": 2, "strides": 3}),
    ((1, 19, 18, 2), {"pool_size": 17, "strides": 1}),
]


def pool_loop(x, layer, reduce):
    """The definition, one window at a time."""
    (ky, kx) = (layer.pool_size,) * 2 if isinstance(layer.pool_size, int) else layer.pool_size
    strides = layer.strides or (ky, kx)
    sy, sx = (strides,) * 2 if isinstance(strides, int) else strides
    rows, height, width, channels = x.shape
    if layer.padding == "same":
        out = -(-height // sy), -(-width // sx)
        top, left = max((out[0] - 1) * sy + ky - height, 0) // 2, max((out[1] - 1) * sx + kx - width, 0) // 2
    else:
        out, top, left = ((height - ky) // sy + 1, (width - kx) // sx + 1), 0, 0
    y = np.zeros((rows, *out, channels))
    for i in range(out[0]):
        for j in range(out[1]):
            a, b = i * sy - top, j * sx - left
            y[:, i, j] = reduce(x[:, max(a, 0) : a + ky, max(b, 0) : b + kx], axis=(1, 2))
    return y


def images(shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(("kind", "reduce"), [(MaxPool2D, np.max), (AveragePool2D, np.mean)])
@pytest.mark.parametrize(("shape", "fields"), CASES)
def test_forward_is_the_plain_loop_and_gradients_are_central_differences(kind, reduce, shape, fields):
    layer = kind(**fields)
    network = Network([layer], images(shape))
    np.testing.assert_allclose(network.run().outputs, pool_loop(images(shape), layer, reduce), rtol=1e-13, atol=1e-13)
    check_gradients(network, most=50)


@pytest.mark.parametrize("kind", [MaxPool1D, AveragePool1D])
@pytest.mark.parametrize("fields", [{}, {"pool_size": 3, "strides": 2, "padding": "same"}])
def test_a_sequence_is_an_image_of_height_one(kind, fields):
    x = images((3, 9, 5))
    network = Network([kind(**fields)], x)
    size, strides = fields.get("pool_size", 2), fields.get("strides", 2)
    plane = (MaxPool2D if kind is MaxPool1D else AveragePool2D)(
        pool_size=(1, size), strides=(1, strides), padding=fields.get("padding", "valid")
    )
    assert np.array_equal(network.run().outputs, Network([plane], x[:, None]).run().outputs[:, 0])
    check_gradients(network, most=50)


@pytest.mark.parametrize("shape", [(1, 4, 4, 9), (1, 5, 5, 9)])
@pytest.mark.parametrize("fields", [{}, {"pool_size": 3, "strides": 1}])
def test_of_equal_entries_the_first_gets_the_gradient(shape, fields):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = np.random.default_rng(2).integers(0, 2, shape).astype(float)
    network = Network([MaxPool2D(**fields)], x, "float32")
    result = network.run()
    t = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_()
    y = torch.nn.functional.max_pool2d(t, fields.get("pool_size", 2), fields.get("strides", 2)).permute(0, 2, 3, 1)
    (y * torch.tensor(network.coefficients)).sum().backward()
    np.testing.assert_allclose(result.input_gradients["x"], t.grad.permute(0, 2, 3, 1).numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("fields", [{}, {"pool_size": 3, "strides": 1}])
def test_nan_is_not_lost(fields):
    for place in range(4):
        x = np.zeros((1, 4, 4, 9))
        x[0, place // 2, place % 2] = np.nan
        assert np.isnan(Network([MaxPool2D(**fields)], x, gradients=False).run().outputs[0, 0, 0]).all()


@pytest.mark.parametrize("layer", [MaxPool2D(), MaxPool2D(pool_size=3, strides=2, padding="same"), AveragePool2D()])
def test_bits_depend_neither_on_threads_nor_on_the_batch(layer):
    same_bits_on_threads([layer], images((5, 9, 8, 17)))
    batch_equals_samples([layer], images((3, 9, 8, 17)))
