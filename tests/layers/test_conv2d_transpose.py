"""The transposed convolution against a plain loop, PyTorch, central differences, and itself on other threads."""

import numpy as np
import pytest

from dlrun.compiler.graph import build_graph
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ConfigError
from dlrun.layers.conv2d_transpose import Conv2DTranspose
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

CASES = [
    # fields, height and width of the output for an input of (4, 5), rows and columns cut off in front
    ({"kernel_size": 1}, (4, 5), (0, 0)),
    ({"kernel_size": 3}, (6, 7), (0, 0)),
    ({"kernel_size": 3, "padding": "same"}, (4, 5), (1, 1)),
    ({"kernel_size": 2, "strides": 2}, (8, 10), (0, 0)),
    ({"kernel_size": 3, "strides": 2, "padding": "same"}, (8, 10), (0, 0)),
    ({"kernel_size": 4, "strides": 2, "padding": "same"}, (8, 10), (1, 1)),
    ({"kernel_size": (5, 2), "strides": (2, 3), "padding": "same"}, (8, 15), (1, 0)),
    ({"kernel_size": (5, 2), "strides": (2, 3)}, (11, 15), (0, 0)),
    ({"kernel_size": 3, "strides": 2, "output_padding": 1}, (10, 12), (0, 0)),
    ({"kernel_size": 3, "strides": 2, "output_padding": 0, "padding": "same"}, (7, 9), (1, 1)),
    ({"kernel_size": 1, "strides": 3, "output_padding": (2, 1)}, (12, 14), (0, 0)),
    ({"kernel_size": 3, "dilation_rate": 2}, (8, 9), (0, 0)),
]


def images(shape=(3, 4, 5, 3)):
    return np.random.default_rng(1).standard_normal(shape)


@pytest.mark.parametrize(("fields", "size", "cut"), CASES)
def test_forward_is_the_plain_loop_and_gradients_are_central_differences(fields, size, cut):
    layer = Conv2DTranspose(filters=5, **fields, activation="relu", bias_initializer="random_normal")
    network = Network([layer], images())
    result, x = network.run(), images()
    w, b = (result.variables[f"conv2d_transpose_1/{name}"] for name in ("kernel", "bias"))
    sy, sx = (layer.strides,) * 2 if isinstance(layer.strides, int) else layer.strides
    gap = layer.dilation_rate
    whole = np.zeros((3, 60, 60, 5))
    for i in range(4):
        for j in range(5):
            for ky in range(w.shape[0]):
                for kx in range(w.shape[1]):
                    whole[:, i * sy + ky * gap, j * sx + kx * gap] += x[:, i, j] @ w[ky, kx].T
    expected = whole[:, cut[0] : cut[0] + size[0], cut[1] : cut[1] + size[1]] + b
    np.testing.assert_allclose(result.outputs, np.maximum(expected, 0), rtol=1e-12, atol=1e-12)
    check_gradients(network, most=40)


def test_agrees_with_torch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    network = Network([Conv2DTranspose(filters=18, kernel_size=3, strides=2)], images())
    result = network.run()
    w = torch.tensor(result.variables["conv2d_transpose_1/kernel"]).permute(3, 2, 0, 1)
    y = torch.nn.functional.conv_transpose2d(torch.tensor(images()).permute(0, 3, 1, 2), w, stride=2)
    np.testing.assert_allclose(result.outputs, y.permute(0, 2, 3, 1).numpy(), rtol=1e-11, atol=1e-12)


def test_bits_depend_neither_on_threads_nor_on_the_batch():
    layers = [
        Conv2DTranspose(filters=17, kernel_size=3, strides=2, padding="same", activation="relu"),
        Conv2DTranspose(filters=3, kernel_size=2, use_bias=False),
    ]
    same_bits_on_threads(layers, images((5, 4, 5, 3)))
    batch_equals_samples(layers, images())


def test_output_padding_must_be_less_than_strides():
    signature = Signature({"x": Feature("x", (4, 4, 1), "float32")}, {})
    layer = Conv2DTranspose(filters=1, kernel_size=3, strides=2, output_padding=2)
    with pytest.raises(ConfigError) as caught:
        build_graph([layer], [("model", "layers", 0)], signature)
    assert caught.value.problems[0].path == ("model", "layers", 0, "output_padding")
