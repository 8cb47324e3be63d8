"""A convolution with a max pool of 2 x 2, computed window by window."""

import numpy as np
import pytest

from dlrun.compiler import compile as compiler
from dlrun.kernels.convolution_pool import NOBODY
from dlrun.layers.conv2d import Conv2D
from dlrun.layers.flatten import Flatten
from dlrun.layers.max_pool2d import MaxPool2D
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

FORWARD, WEIGHTS = "conv_pool_forward_of_four", "conv_pool_backward_weights_of_four"
CASES = {
    "one channel": ((5, 9, 11, 1), Conv2D(filters=33, kernel_size=3, activation="relu")),
    "one channel, few filters": ((3, 8, 10, 1), Conv2D(filters=5, kernel_size=3, padding="same", activation="relu")),
    "three channels": ((3, 9, 7, 3), Conv2D(filters=18, kernel_size=3, padding="same", activation="relu")),
    "two channels": ((2, 8, 9, 2), Conv2D(filters=16, kernel_size=3, activation="relu")),
    "5x5": ((2, 11, 9, 1), Conv2D(filters=32, kernel_size=5, activation="relu")),
    "2x3, no ReLU, no bias": ((2, 7, 9, 3), Conv2D(filters=7, kernel_size=(2, 3), use_bias=False)),
    "a column": ((2, 8, 6, 3), Conv2D(filters=9, kernel_size=(3, 1), activation="relu")),
    "many inputs": ((2, 8, 8, 13), Conv2D(filters=10, kernel_size=3, padding="same", activation="relu")),
}


def images(shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def stack(layer):
    return [layer, MaxPool2D(), Flatten()]


def kernels(network):
    return {call.kernel.name for call in network.plan.calls}


def windows(layer, x, w, b):
    """Return the convolution's outputs, (rows, height, width, 4, filters), by a plain loop."""
    taps_y, taps_x = w.shape[:2]
    if layer.padding == "same":
        before = [(0, 0)] + [((taps - 1) // 2, taps // 2) for taps in (taps_y, taps_x)] + [(0, 0)]
        x = np.pad(x, before)
    height, width = (x.shape[1] - taps_y + 1) // 2, (x.shape[2] - taps_x + 1) // 2
    z = np.zeros((len(x), height, width, 4, w.shape[3]))
    for i in range(height):
        for j in range(width):
            for q in range(4):
                top, left = 2 * i + q // 2, 2 * j + q % 2
                patch = x[:, top : top + taps_y, left : left + taps_x]
                z[:, i, j, q] = np.einsum("ryxc,yxcn->rn", patch, w) + b
    return z


@pytest.mark.parametrize("case", CASES)
def test_is_a_plain_loop(case):
    shape, layer = CASES[case]
    network = Network(stack(layer), images(shape))
    assert kernels(network) >= {FORWARD, WEIGHTS}
    result = network.run()
    w = result.variables["conv2d_1/kernel"]
    z = windows(layer, images(shape), w, result.variables.get("conv2d_1/bias", 0))
    expected = z.max(axis=3) if layer.activation is None else np.maximum(z.max(axis=3), 0)
    np.testing.assert_allclose(result.outputs, expected.reshape(len(z), -1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_central_differences(case):
    shape, layer = CASES[case]
    check_gradients(Network(stack(layer), images(shape)), most=60)


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_layers_one_by_one(monkeypatch, case):
    shape, layer = CASES[case]
    fused = Network(stack(layer), images(shape), "float32")
    assert WEIGHTS in kernels(fused)
    monkeypatch.setattr(compiler, "fuse_pool", lambda graph: None)
    result, expected = fused.run(), Network(stack(layer), images(shape), "float32").run()
    assert np.array_equal(result.outputs, expected.outputs)
    assert np.array_equal(result.input_gradients["x"], expected.input_gradients["x"])
    for name, gradient in expected.gradients.items():
        np.testing.assert_allclose(result.gradients[name], gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", ["one channel", "three channels", "5x5"])
def test_bits_depend_neither_on_threads_nor_on_the_batch(case):
    shape, layer = CASES[case]
    same_bits_on_threads(stack(layer), images((11, *shape[1:])))
    batch_equals_samples(stack(layer), images(shape))


def test_a_forward_pass_over_very_many_inputs_goes_along_rows(monkeypatch):
    shape, layer = CASES["many inputs"]
    monkeypatch.setattr("dlrun.layers.conv_pool_halves.MOST_INPUTS", 100)
    found = kernels(Network(stack(layer), images(shape)))
    assert FORWARD not in found
    assert WEIGHTS in found


@pytest.mark.parametrize("case", ["one channel", "three channels"])
def test_inference_has_the_bits_of_training(case):
    shape, layer = CASES[case]
    training, inference = (Network(stack(layer), images(shape), "float32", gradients=g) for g in (True, False))
    assert kernels(inference).isdisjoint({FORWARD, "conv_pool_predict"})
    assert np.array_equal(training.run().outputs, inference.run().outputs)


def test_many_rows_of_windows_are_taken_in_bands(monkeypatch):
    layer = CASES["three channels"][1]
    expected = Network(stack(layer), images((2, 30, 9, 3)), "float32").run()
    monkeypatch.setattr("dlrun.layers.conv_pool_halves.MOST_QUADS", 1000)
    result = Network(stack(layer), images((2, 30, 9, 3)), "float32").run()
    for name, gradient in expected.gradients.items():
        assert np.array_equal(result.gradients[name], gradient)


def four_places(z, precision):
    """Return a network for a window whose four places hold these numbers, and, for a second filter, those times -1."""
    layer = Conv2D(filters=2, kernel_size=(1, 2), use_bias=False, activation="relu")
    x = np.zeros((1, 2, 3, 1))
    x[0, :, 1:, 0] = np.reshape(z, (2, 2))
    network = Network(stack(layer), x, precision)
    network.executor.array("conv2d_1/kernel")[:] = [0, 0, 1, -1]
    return network


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    "z",
    [(1, 2, 3, 4), (4, 3, 2, 1), (1, 5, 5, 2), (0, 0, 0, 0), (-1, -2, -3, -1), (2, 2, 2, 2), (0, -3, 0, 7)],
    ids=str,
)
def test_the_first_of_the_largest_gets_the_gradient(z, precision):
    network = four_places(z, precision)
    assert FORWARD in kernels(network)
    result = network.run()
    wanted = np.zeros((2, 2))
    for n, sign in enumerate((1, -1)):
        values = sign * np.array(z)
        assert result.outputs[0, n] == max(values.max(), 0)
        if values.max() > 0:  # else the ReLU lets nothing through
            wanted.flat[values.argmax()] += sign * network.coefficients[0, n]
    np.testing.assert_allclose(result.input_gradients["x"][0, :, 1:, 0], wanted, rtol=1e-6)
    values = np.concatenate([np.zeros((2, 1)), np.reshape(z, (2, 2))], axis=1)
    gradient = result.gradients["conv2d_1/kernel"]
    for n, sign in enumerate((1, -1)):
        one = sign * np.array(z)
        i, j = divmod(int(one.argmax()), 2)
        expected = values[i, j : j + 2] * network.coefficients[0, n] * (one.max() > 0)
        np.testing.assert_allclose(gradient[0, :, 0, n], expected, rtol=1e-6)


@pytest.mark.parametrize("place", range(4))
def test_what_is_no_number_is_seen_and_nobody_wins(place):
    z = np.array([1.0, 4.0, 2.0, 3.0])
    z[place] = np.nan
    network = four_places(z, "float32")
    assert not network.executor.run(np.array([[1, 0, 0, 1, 1]]), np.zeros((1, 1))).finished
    assert np.isnan(network.executor.array("predictions")).all()
    assert (network.executor.array("conv2d_1/winner") == NOBODY).all()


@pytest.mark.parametrize("case", ["one channel", "three channels", "5x5"])
def test_agrees_with_torch(case):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    shape, layer = CASES[case]
    network = Network(stack(layer), images(shape))
    result = network.run()
    x = torch.tensor(images(shape)).permute(0, 3, 1, 2)
    w = torch.tensor(result.variables["conv2d_1/kernel"]).permute(3, 2, 0, 1).requires_grad_()
    b = torch.tensor(result.variables["conv2d_1/bias"]).requires_grad_()
    y = torch.nn.functional.max_pool2d(torch.relu(torch.nn.functional.conv2d(x, w, b, padding=layer.padding)), 2)
    y = y.permute(0, 2, 3, 1).reshape(shape[0], -1)
    (y * torch.tensor(network.coefficients)).sum().div(shape[0]).backward()
    np.testing.assert_allclose(result.outputs, y.detach().numpy(), rtol=1e-10)
    kernel = w.grad.permute(2, 3, 1, 0).numpy()
    np.testing.assert_allclose(result.gradients["conv2d_1/kernel"], kernel, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.gradients["conv2d_1/bias"], b.grad.numpy(), rtol=1e-9, atol=1e-12)
