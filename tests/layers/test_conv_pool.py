"""A convolution made one with the max pool after it, against the same layers one by one."""

import numpy as np
import pytest

from dlrun.compiler import compile as compiler
from dlrun.compiler.graph import build_graph
from dlrun.compiler.passes.fuse import fuse_pool, fuse_relu
from dlrun.data.signature import Feature, Signature
from dlrun.layers.activation import ActivationLayer
from dlrun.layers.average_pool2d import AveragePool2D
from dlrun.layers.conv1d import Conv1D
from dlrun.layers.conv2d import Conv2D
from dlrun.layers.conv2d_transpose import Conv2DTranspose
from dlrun.layers.depthwise_conv2d import DepthwiseConv2D
from dlrun.layers.flatten import Flatten
from dlrun.layers.max_pool1d import MaxPool1D
from dlrun.layers.max_pool2d import MaxPool2D
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

CASES = [
    [Conv2D(filters=18, kernel_size=3, activation="relu"), MaxPool2D(), Flatten()],
    [Conv2D(filters=5, kernel_size=3, padding="same", activation="relu"), MaxPool2D(pool_size=3, strides=2), Flatten()],
    [Conv2D(filters=4, kernel_size=2, strides=2), MaxPool2D(padding="same"), Flatten()],
    [Conv2D(filters=6, kernel_size=1, use_bias=False, activation="relu"), MaxPool2D(pool_size=(2, 3)), Flatten()],
    [Conv2D(filters=6, kernel_size=3, groups=2), ActivationLayer(activation="relu"), MaxPool2D(), Flatten()],
    [
        Conv2D(filters=5, kernel_size=3, padding="same", activation="relu"),
        MaxPool2D(),
        Conv2D(filters=64, kernel_size=2, activation="relu"),
        MaxPool2D(),
        Flatten(),
    ],
]


def images(shape=(3, 8, 9, 2)):
    return np.random.default_rng(1).standard_normal(shape)


@pytest.mark.parametrize("layers", CASES)
def test_gives_the_bits_of_the_layers_one_by_one(monkeypatch, layers):
    fused = Network(layers, images(), "float32")
    found = {(call.node, call.kernel.name) for call in fused.plan.calls}
    assert any(kernel.startswith("conv_pool_forward") for _, kernel in found)
    monkeypatch.setattr(compiler, "fuse_pool", lambda graph: None)
    apart = Network(layers, images(), "float32")
    assert not any(call.kernel.name.startswith("conv_pool") for call in apart.plan.calls)
    result, expected = fused.run(), apart.run()
    assert np.array_equal(result.outputs, expected.outputs)
    assert np.array_equal(result.input_gradients["x"], expected.input_gradients["x"])
    assert result.gradients.keys() == expected.gradients.keys()
    for name, gradient in expected.gradients.items():
        in_windows = (name.split("/")[0], "conv_pool_backward_weights_of_four") in found
        if name.endswith("bias") or in_windows:  # added up over fewer terms, or in another order
            np.testing.assert_allclose(result.gradients[name], gradient, rtol=1e-5, atol=1e-6)
        else:
            assert np.array_equal(result.gradients[name], gradient)


@pytest.mark.parametrize("shape", [(3, 8, 9, 2), (2, 17, 16, 2)], ids=str)
@pytest.mark.parametrize("layers", CASES)
def test_inference_gives_the_bits_of_the_layers_one_by_one(monkeypatch, layers, shape):
    """Without a way back nobody asks which entry of a window was the largest; NaN is larger than all of them."""
    x = images(shape)
    x[0, 0, 0], x[1, 3, 3, 1], x[1, 5] = np.nan, np.inf, -0.0
    inference = Network(layers, x, "float32", training=False, gradients=False)
    pool = next(layer for layer in layers if isinstance(layer, MaxPool2D))
    halves = pool.geometry(layers[0].output_shape(shape[1:])).halves
    found = [call.kernel.name for call in inference.plan.calls]
    assert any(name.startswith("conv_pool_predict") for name in found) == halves
    assert ("conv2d_1/winner" in inference.plan.buffers) != halves
    monkeypatch.setattr(compiler, "fuse_pool", lambda graph: None)
    apart = Network(layers, x, "float32", training=False, gradients=False)
    np.testing.assert_array_equal(inference.run().outputs, apart.run().outputs)
    assert np.isnan(apart.run().outputs).any()


@pytest.mark.parametrize("layers", CASES)
def test_gradients_are_central_differences(layers):
    check_gradients(Network(layers, images()), most=30)


def test_sequences_too():
    layers = [Conv1D(filters=5, kernel_size=3, activation="relu"), MaxPool1D(), Flatten()]
    network = Network(layers, images((3, 11, 2)))
    assert any(call.kernel.name == "conv_pool_forward" for call in network.plan.calls)
    check_gradients(network, most=30)


@pytest.mark.parametrize("rows", [3, 11])
def test_bits_depend_neither_on_threads_nor_on_the_batch(rows):
    same_bits_on_threads(CASES[5], images((rows, 8, 9, 2)))
    batch_equals_samples(CASES[5], images())


@pytest.mark.parametrize(
    "layers",
    [
        [Conv2D(filters=3, kernel_size=3, activation="relu"), MaxPool2D()],
        [Conv2D(filters=3, kernel_size=3, activation="tanh"), MaxPool2D(), Flatten()],
        [Conv2D(filters=3, kernel_size=3, activation="relu"), AveragePool2D(), Flatten()],
        [Conv2D(filters=3, kernel_size=3, name="c"), MaxPool2D(), Flatten(inputs=["c"])],
        [Conv2D(filters=3, kernel_size=1), MaxPool2D(pool_size=16), Flatten()],
        [Conv2D(filters=512, kernel_size=16, padding="same"), MaxPool2D(), Flatten()],
        [Conv2DTranspose(filters=3, kernel_size=3), MaxPool2D(), Flatten()],
        [DepthwiseConv2D(kernel_size=3), MaxPool2D(), Flatten()],
        [MaxPool2D(), Flatten()],
    ],
)
def test_what_cannot_be_one_stays_apart(layers):
    signature = Signature({"x": Feature("x", (16, 16, 2), "float32")}, {})
    graph = build_graph(layers, [("model", "layers", i) for i in range(len(layers))], signature)
    fuse_relu(graph)
    before = list(graph.nodes)
    fuse_pool(graph)
    assert list(graph.nodes) == before
