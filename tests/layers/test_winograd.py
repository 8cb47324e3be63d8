"""Winograd's minimal filtering against the plain loop and the direct kernels, in both precisions."""

import numpy as np
import pytest

from dlrun.layers import winograd
from dlrun.layers.conv2d import Conv2D
from dlrun.layers.conv2d_transpose import Conv2DTranspose
from dlrun.layers.geometry import Geometry
from dlrun.layers.windows import window
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

CASES = [
    # input shape (rows, height, width, channels), fields
    ((3, 12, 10, 16), {"filters": 32, "padding": "same"}),
    ((2, 7, 9, 19), {"filters": 21}),
    ((3, 5, 5, 17), {"filters": 35, "padding": "same"}),
    ((2, 8, 5, 24), {"filters": 16}),
    ((5, 3, 3, 16), {"filters": 16}),
    ((2, 1, 1, 18), {"filters": 16, "padding": "same"}),
    ((2, 4, 3, 33), {"filters": 17}),
    ((1, 3, 60, 16), {"filters": 16, "padding": "same"}),
]
FLOAT32_ERROR = 1.5
"""How many times the direct kernels' error in float32 Winograd's may be; measured: 0.4 to 0.9."""


@pytest.fixture(autouse=True)
def _everywhere(monkeypatch):
    monkeypatch.setattr(winograd, "FORCED", True)


def images(shape):
    return np.random.default_rng(1).standard_normal(shape)


def layer(**fields):
    return Conv2D(kernel_size=3, bias_initializer="random_normal", **fields)


def kernels(network):
    return [call.kernel.name for call in network.plan.calls]


def plain(x, w, b, padding):
    """The definition: a matrix product for each of the nine taps."""
    if padding == "same":
        x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1] - 2, x.shape[2] - 2
    return b + sum(x[:, i : i + height, j : j + width] @ w[i, j] for i in range(3) for j in range(3))


def direct(monkeypatch, *arguments):
    monkeypatch.setattr(winograd, "FORCED", False)
    network = Network(*arguments)
    monkeypatch.setattr(winograd, "FORCED", True)
    assert not any("winograd" in name for name in kernels(network))
    return network.run()


@pytest.mark.parametrize(("shape", "fields"), CASES)
def test_forward_is_the_plain_loop(shape, fields):
    network = Network([layer(**fields)], images(shape))
    assert "winograd_forward" in kernels(network)
    result = network.run()
    w, b = result.variables["conv2d_1/kernel"], result.variables["conv2d_1/bias"]
    expected = plain(images(shape), w, b, fields.get("padding"))
    np.testing.assert_allclose(result.outputs, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("shape", "fields"), CASES)
def test_gradients_are_those_of_the_direct_kernels(monkeypatch, shape, fields):
    arguments = [layer(**fields, activation="relu")], images(shape)
    network = Network(*arguments)
    assert "winograd_backward_input" in kernels(network)
    result, expected = network.run(), direct(monkeypatch, *arguments)
    np.testing.assert_allclose(result.input_gradients["x"], expected.input_gradients["x"], rtol=1e-10, atol=1e-10)
    for name, gradient in expected.gradients.items():
        np.testing.assert_allclose(result.gradients[name], gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("shape", "fields"), CASES[1:6])
def test_gradients_are_central_differences(shape, fields):
    check_gradients(Network([layer(**fields, activation="relu")], images(shape)), most=30)


@pytest.mark.parametrize(("channels", "filters"), [(16, 16), (32, 64), (128, 128)])
def test_float32_is_as_exact_as_the_direct_kernels(monkeypatch, channels, filters):
    layers, x = [layer(filters=filters, padding="same")], images((4, 12, 12, channels))
    exact = direct(monkeypatch, layers, x, "float64")
    ours, theirs = Network(layers, x, "float32").run(), direct(monkeypatch, layers, x, "float32")
    for name, values in parts(exact).items():
        error, allowed = (np.square(parts(result)[name] - values).mean() ** 0.5 for result in (ours, theirs))
        assert error <= FLOAT32_ERROR * allowed, f"{name}: {error / allowed:.2f} times the direct kernel's"


def parts(result):
    return {"y": result.outputs, "dx": result.input_gradients["x"], "dw": result.gradients["conv2d_1/kernel"]}


@pytest.mark.parametrize("rows", [1, 5, 11])
def test_bits_do_not_depend_on_threads(rows):
    layers = [layer(filters=19, padding="same", activation="relu"), layer(filters=16)]
    same_bits_on_threads(layers, images((rows, 9, 7, 17)))


def test_a_batch_equals_its_samples():
    batch_equals_samples([layer(filters=18, padding="same", activation="relu")], images((5, 7, 6, 16)))


def test_the_transposed_convolution_too(monkeypatch):
    fields = {"filters": 17, "kernel_size": 3, "padding": "same", "bias_initializer": "random_normal"}
    arguments = [Conv2DTranspose(**fields, activation="relu")], images((3, 7, 6, 18))
    network = Network(*arguments)
    assert {"winograd_forward", "winograd_backward_input"} <= set(kernels(network))
    result, expected = network.run(), direct(monkeypatch, *arguments)
    np.testing.assert_allclose(result.outputs, expected.outputs, rtol=1e-10, atol=1e-10)
    for name, gradient in expected.gradients.items():
        np.testing.assert_allclose(result.gradients[name], gradient, rtol=1e-10, atol=1e-10)


def geometry(size, channels, filters, kernel=3, stride=1, dilation=1, groups=1):
    axis = window(size, kernel, stride, "same", dilation)
    return Geometry(axis, axis, channels, filters, groups)


@pytest.mark.parametrize(
    "sizes",
    [(12, 15, 64), (12, 64, 15), (12, 32, 32, 5), (12, 32, 32, 3, 2), (12, 32, 32, 3, 1, 2), (12, 32, 32, 3, 1, 1, 2)],
)
def test_other_convolutions_stay_direct(sizes):
    assert winograd.choice(geometry(*sizes)) is None


def test_the_choice_counts_multiplications(monkeypatch):
    monkeypatch.setattr(winograd, "FORCED", None)
    assert "instead of" in winograd.choice(geometry(12, 32, 64)).reason
    assert winograd.choice(geometry(1, 32, 64)) is None
