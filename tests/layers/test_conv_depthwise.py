"""The depthwise convolution against a convolution in groups, whose weights lie the same way in memory."""

import numpy as np
import pytest

from dlrun.layers.conv2d import Conv2D
from dlrun.layers.depthwise_conv2d import DepthwiseConv2D
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads


def images(shape=(3, 7, 8, 5)):
    return np.random.default_rng(1).standard_normal(shape)


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("fields", [{"padding": "same"}, {"strides": 2}, {"dilation_rate": (1, 2)}])
def test_is_a_convolution_of_one_channel_for_each_group(multiplier, fields):
    network = Network([DepthwiseConv2D(kernel_size=3, depth_multiplier=multiplier, **fields)], images())
    grouped = Network([Conv2D(filters=5 * multiplier, kernel_size=3, groups=5, **fields)], images())
    grouped.executor.array("conv2d_1/kernel")[:] = network.executor.array("depthwise_conv2d_1/kernel")
    result, expected = network.run(), grouped.run()
    assert result.variables["depthwise_conv2d_1/kernel"].shape == (3, 3, 5, multiplier)
    assert np.array_equal(result.outputs, expected.outputs)
    assert np.array_equal(result.input_gradients["x"], expected.input_gradients["x"])
    check_gradients(network, most=40)


def test_relu_is_fused_and_one_channel_works():
    check_gradients(Network([DepthwiseConv2D(kernel_size=3, activation="relu")], images((2, 5, 5, 1))), most=40)
    check_gradients(Network([DepthwiseConv2D(kernel_size=3, activation="relu")], images((2, 5, 5, 3))), most=40)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_bits_depend_neither_on_threads_nor_on_the_batch(multiplier):
    layers = [DepthwiseConv2D(kernel_size=3, padding="same", depth_multiplier=multiplier, activation="relu")]
    same_bits_on_threads(layers, images((11, 6, 5, 19)))
    batch_equals_samples(layers, images((3, 6, 5, 19)))
