"""Winograd's minimal filtering against the plain loop and the direct kernels, in both precisions."""

import numpy as np
import pytest

from dlrun.compiler import compile as compiler
from dlrun.layers import winograd
from dlrun.layers.conv2d import Conv2D
from dlrun.layers.conv2d_transpose import Conv2DTranspose
from dlrun.layers.flatten import Flatten
from dlrun.layers.geometry import Geometry
from dlrun.layers.max_pool2d import MaxPool2D
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
FLOAT32_ERROR = 3.0
"""How many times the direct kernels' error in float32 Winograd's may be, root mean square; measured: 1.8 to 2.3."""


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
    assert {"winograd_backward_input", "winograd_backward_weights"} <= set(kernels(network))
    result, expected = network.run(), direct(monkeypatch, *arguments)
    np.testing.assert_allclose(result.input_gradients["x"], expected.input_gradients["x"], rtol=1e-10, atol=1e-10)
    for name, gradient in expected.gradients.items():
        np.testing.assert_allclose(result.gradients[name], gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("shape", "fields"), CASES[1:6])
def test_gradients_are_central_differences(shape, fields):
    check_gradients(Network([layer(**fields, activation="relu")], images(shape)), most=30)


@pytest.mark.parametrize(("channels", "filters"), [(16, 16), (32, 64), (128, 128)])
def test_float32_is_nearly_as_exact_as_the_direct_kernels(monkeypatch, channels, filters):
    layers, x = [layer(filters=filters, padding="same")], images((4, 12, 12, channels))
    exact = direct(monkeypatch, layers, x, "float64")
    ours, theirs = Network(layers, x, "float32").run(), direct(monkeypatch, layers, x, "float32")
    for name, values in parts(exact).items():
        error, allowed = (np.square(parts(result)[name] - values).mean() ** 0.5 for result in (ours, theirs))
        assert error <= FLOAT32_ERROR * allowed, f"{name}: {error / allowed:.2f} times the direct kernel's"


def parts(result):
    return {"y": result.outputs, "dx": result.input_gradients["x"], "dw": result.gradients["conv2d_1/kernel"]}


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_weight_whose_input_never_meets_its_output_has_no_gradient(precision):
    x = np.zeros((5, 6, 6, 16))
    x[:, 0, 0] = images((5, 16))
    gradient = Network([layer(filters=16, padding="same")], x, precision).run().gradients["conv2d_1/kernel"]
    assert not gradient[2].any()
    assert not gradient[:, 2].any()
    assert gradient[:2, :2].all()


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
    assert {"winograd_forward", "winograd_backward_input", "winograd_backward_weights"} <= set(kernels(network))
    result, expected = network.run(), direct(monkeypatch, *arguments)
    np.testing.assert_allclose(result.outputs, expected.outputs, rtol=1e-10, atol=1e-10)
    for name, gradient in expected.gradients.items():
        np.testing.assert_allclose(result.gradients[name], gradient, rtol=1e-10, atol=1e-10)


POOLED = [
    # input shape, fields, pool
    ((3, 12, 10, 16), {"filters": 32, "padding": "same", "activation": "relu"}, {}),
    ((2, 9, 7, 17), {"filters": 19, "activation": "relu"}, {}),
    ((2, 7, 5, 18), {"filters": 16, "padding": "same"}, {}),
    ((11, 4, 4, 16), {"filters": 16, "use_bias": False, "activation": "relu"}, {}),
    ((2, 7, 9, 16), {"filters": 16, "padding": "same", "activation": "relu"}, {"padding": "same"}),
    ((2, 8, 9, 16), {"filters": 16, "activation": "relu"}, {"pool_size": 3, "strides": 2}),
]


@pytest.mark.parametrize(("shape", "fields", "pool"), POOLED)
def test_with_a_pool_it_gives_the_bits_of_the_layers_one_by_one(monkeypatch, shape, fields, pool):
    arguments = [Conv2D(kernel_size=3, **fields), MaxPool2D(**pool), Flatten()], images(shape), "float32"
    fused = Network(*arguments)
    assert ("winograd_pool_forward" in kernels(fused)) == (not pool)
    monkeypatch.setattr(compiler, "fuse_pool", lambda graph: None)
    apart = Network(*arguments)
    assert "winograd_forward" in kernels(apart)
    result, expected = fused.run(), apart.run()
    assert np.array_equal(result.outputs, expected.outputs)
    assert np.array_equal(result.input_gradients["x"], expected.input_gradients["x"])
    assert result.gradients.keys() == expected.gradients.keys()
    for name, gradient in expected.gradients.items():
        if name.endswith("bias"):  # added up over fewer terms
            np.testing.assert_allclose(result.gradients[name], gradient, rtol=1e-5, atol=1e-6)
        else:
            assert np.array_equal(result.gradients[name], gradient)


@pytest.mark.parametrize(("shape", "fields", "pool"), POOLED[:4])
def test_with_a_pool_gradients_are_those_of_the_direct_kernels(monkeypatch, shape, fields, pool):
    arguments = [Conv2D(kernel_size=3, **fields), MaxPool2D(**pool), Flatten()], images(shape)
    result, expected = Network(*arguments).run(), direct(monkeypatch, *arguments)
    np.testing.assert_allclose(result.outputs, expected.outputs, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(result.input_gradients["x"], expected.input_gradients["x"], rtol=1e-10, atol=1e-10)
    for name, gradient in expected.gradients.items():
        np.testing.assert_allclose(result.gradients[name], gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("rows", [3, 11])
def test_with_a_pool_bits_depend_neither_on_threads_nor_on_the_batch(rows):
    layers = [Conv2D(filters=19, kernel_size=3, padding="same", activation="relu"), MaxPool2D(), Flatten()]
    same_bits_on_threads(layers, images((rows, 9, 8, 17)))
    batch_equals_samples(layers, images((rows, 9, 8, 17)))


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
