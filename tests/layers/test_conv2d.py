"""The convolution over images against a plain loop, central differences, PyTorch, and itself on other threads."""

import numpy as np
import pytest

from dlrun.compiler.graph import build_graph
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ConfigError
from dlrun.layers import convolution
from dlrun.layers.conv2d import Conv2D
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

CASES = [
    # input shape (rows, height, width, channels), fields
    ((1, 1, 1, 1), {"filters": 1, "kernel_size": 1}),
    ((3, 5, 4, 3), {"filters": 17, "kernel_size": 1}),
    ((2, 7, 9, 1), {"filters": 5, "kernel_size": 3}),
    ((3, 6, 13, 3), {"filters": 18, "kernel_size": 3, "padding": "same"}),
    ((2, 8, 7, 2), {"filters": 3, "kernel_size": (5, 2), "padding": "same"}),
    ((2, 9, 8, 2), {"filters": 4, "kernel_size": 3, "strides": 2}),
    ((2, 9, 8, 2), {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}),
    ((2, 7, 10, 3), {"filters": 5, "kernel_size": (4, 3), "strides": (3, 2), "padding": "same"}),
    ((2, 9, 9, 2), {"filters": 3, "kernel_size": 1, "strides": 2}),
    ((2, 9, 10, 2), {"filters": 3, "kernel_size": 2, "strides": (3, 4)}),
    ((2, 9, 10, 2), {"filters": 3, "kernel_size": 3, "dilation_rate": 2}),
    ((2, 9, 8, 2), {"filters": 3, "kernel_size": (2, 3), "dilation_rate": (3, 2), "padding": "same"}),
    ((2, 6, 7, 6), {"filters": 9, "kernel_size": 3, "groups": 3, "padding": "same"}),
    ((2, 6, 7, 6), {"filters": 4, "kernel_size": (3, 2), "groups": 2, "strides": 2}),
    ((2, 6, 7, 4), {"filters": 4, "kernel_size": 3, "groups": 2, "dilation_rate": 2, "padding": "same"}),
    ((2, 5, 6, 4), {"filters": 8, "kernel_size": 1, "groups": 2}),
    ((2, 5, 9, 4), {"filters": 4, "kernel_size": 4, "groups": 4, "padding": "same"}),
    ((2, 9, 8, 9), {"filters": 9, "kernel_size": (2, 3), "groups": 9, "strides": (2, 3), "padding": "same"}),
    ((2, 9, 8, 3), {"filters": 3, "kernel_size": 3, "groups": 3, "dilation_rate": (2, 3), "padding": "same"}),
    ((2, 9, 9, 3), {"filters": 3, "kernel_size": 3, "groups": 3, "dilation_rate": 2}),
]


def conv_loop(x, w, b, layer):
    """The definition, one output at a time; `layer.geometry` isn't used."""

    def both(value):
        return (value, value) if isinstance(value, int) else value

    (sy, sx), (dy, dx) = both(layer.strides), both(layer.dilation_rate)
    rows, height, width, _ = x.shape
    kh, kw, depth, filters = w.shape
    span_y, span_x = (kh - 1) * dy + 1, (kw - 1) * dx + 1
    if layer.padding == "same":
        out = -(-height // sy), -(-width // sx)
        extra = max((out[0] - 1) * sy + span_y - height, 0), max((out[1] - 1) * sx + span_x - width, 0)
        x = np.pad(x, ((0, 0), *((e // 2, e - e // 2) for e in extra), (0, 0)))
    else:
        out = (height - span_y) // sy + 1, (width - span_x) // sx + 1
    y = np.zeros((rows, *out, filters))
    for i in range(out[0]):
        for j in range(out[1]):
            window = x[:, i * sy : i * sy + span_y : dy, j * sx : j * sx + span_x : dx]
            for n in range(filters):
                group = n // (filters // layer.groups)
                y[:, i, j, n] = b[n] + (window[..., group * depth : (group + 1) * depth] * w[..., n]).sum((1, 2, 3))
    return y


def images(shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(("shape", "fields"), CASES)
def test_forward_is_the_plain_loop(shape, fields):
    layer = Conv2D(**fields, bias_initializer="random_normal")
    result = Network([layer], images(shape)).run()
    expected = conv_loop(images(shape), result.variables["conv2d_1/kernel"], result.variables["conv2d_1/bias"], layer)
    np.testing.assert_allclose(result.outputs, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("shape", "fields"), CASES)
def test_gradients_are_central_differences(shape, fields):
    layers = [Conv2D(**fields, activation="relu", bias_initializer="random_normal")]
    check_gradients(Network(layers, images(shape)), most=60)


@pytest.mark.parametrize(("shape", "fields"), CASES)
def test_packed_weights_and_sliced_gradients_give_the_same(monkeypatch, shape, fields):
    layers = [Conv2D(**fields, activation="relu")]
    plain = Network(layers, images(shape)).run()
    monkeypatch.setattr(convolution, "PACK_FROM", 1)
    monkeypatch.setattr(convolution, "SLICE_FROM", 1)
    result = Network(layers, images(shape)).run()
    assert np.array_equal(result.outputs, plain.outputs)
    for name, gradient in plain.gradients.items():
        np.testing.assert_allclose(result.gradients[name], gradient, rtol=1e-12, atol=1e-12)


def test_bits_of_packed_weights_and_sliced_gradients_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(convolution, "PACK_FROM", 1)
    monkeypatch.setattr(convolution, "SLICE_FROM", 1)
    same_bits_on_threads([Conv2D(filters=19, kernel_size=3, padding="same", activation="relu")], images((5, 9, 7, 11)))


def test_without_bias():
    network = Network([Conv2D(filters=3, kernel_size=2, use_bias=False)], images((2, 4, 4, 2)))
    assert list(network.run().gradients) == ["conv2d_1/kernel"]
    check_gradients(network, most=30)


@pytest.mark.parametrize("rows", [1, 5, 11])
def test_bits_do_not_depend_on_threads(rows):
    layers = [
        Conv2D(filters=19, kernel_size=3, padding="same", activation="relu"),
        Conv2D(filters=7, kernel_size=3, strides=2),
    ]
    same_bits_on_threads(layers, images((rows, 11, 9, 3)))


def test_a_batch_equals_its_samples():
    batch_equals_samples([Conv2D(filters=10, kernel_size=3, padding="same", activation="relu")], images((5, 7, 7, 3)))


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((3, 14, 13, 8), {"filters": 24, "kernel_size": 3}),
        ((2, 12, 15, 6), {"filters": 10, "kernel_size": (3, 5), "strides": 2, "groups": 2}),
    ],
)
def test_agrees_with_torch(shape, fields):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    layer = Conv2D(**fields, bias_initializer="random_normal")
    network = Network([layer], images(shape))
    result = network.run()
    x = torch.tensor(images(shape)).permute(0, 3, 1, 2).requires_grad_()
    w = torch.tensor(result.variables["conv2d_1/kernel"]).permute(3, 2, 0, 1).requires_grad_()
    b = torch.tensor(result.variables["conv2d_1/bias"]).requires_grad_()
    y = torch.nn.functional.conv2d(x, w, b, stride=layer.strides, groups=layer.groups).permute(0, 2, 3, 1)
    (y * torch.tensor(network.coefficients)).sum().div(shape[0]).backward()
    np.testing.assert_allclose(result.outputs, y.detach().numpy(), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(
        result.gradients["conv2d_1/kernel"], w.grad.permute(2, 3, 1, 0).numpy(), rtol=1e-10, atol=1e-11
    )
    np.testing.assert_allclose(result.gradients["conv2d_1/bias"], b.grad.numpy(), rtol=1e-10)
    np.testing.assert_allclose(result.input_gradients["x"], x.grad.permute(0, 2, 3, 1).numpy(), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
    ("shape", "fields", "place", "words"),
    [
        ((4, 9, 1), {"filters": 2, "kernel_size": 5}, "kernel_size", "doesn't fit"),
        ((9, 9, 3), {"filters": 4, "kernel_size": 3, "groups": 2}, "groups", "3 input channels"),
        ((9, 9, 4), {"filters": 3, "kernel_size": 3, "groups": 2}, "groups", "3 filters"),
        ((9, 9, 4), {"filters": 3, "kernel_size": 3, "strides": 2, "dilation_rate": 2}, "dilation_rate", "both"),
        ((81,), {"filters": 3, "kernel_size": 3}, None, "(height, width, channels)"),
    ],
)
def test_sizes_that_do_not_fit_are_problems_of_their_field(shape, fields, place, words):
    signature = Signature({"x": Feature("x", shape, "float32")}, {})
    with pytest.raises(ConfigError) as caught:
        build_graph([Conv2D(**fields)], [("model", "layers", 0)], signature)
    (problem,) = caught.value.problems
    assert problem.path == ("model", "layers", 0, place)[: 4 if place else 3]
    assert words in problem.message
