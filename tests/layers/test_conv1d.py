"""The convolution over sequences against that over images of height 1."""

import numpy as np
import pytest

from dlrun.layers.conv1d import Conv1D
from dlrun.layers.conv2d import Conv2D
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads


def sequences(shape=(3, 11, 4)):
    return np.random.default_rng(1).standard_normal(shape)


@pytest.mark.parametrize(
    "fields",
    [
        {"kernel_size": 3},
        {"kernel_size": 1},
        {"kernel_size": 4, "strides": 2, "padding": "same"},
        {"kernel_size": 3, "dilation_rate": 2, "groups": 2, "padding": "same"},
    ],
)
def test_a_sequence_is_an_image_of_height_one(fields):
    x = sequences()
    network = Network([Conv1D(filters=6, **fields)], x)
    plane = Conv2D(
        filters=6,
        kernel_size=(1, fields["kernel_size"]),
        strides=(1, fields.get("strides", 1)),
        dilation_rate=(1, fields.get("dilation_rate", 1)),
        padding=fields.get("padding", "valid"),
        groups=fields.get("groups", 1),
    )
    other = Network([plane], x[:, None])
    assert network.run().variables["conv1d_1/kernel"].shape == (fields["kernel_size"], 4 // plane.groups, 6)
    assert np.array_equal(network.run().outputs, other.run().outputs[:, 0])
    check_gradients(network, most=50)


@pytest.mark.parametrize(
    "fields", [{"kernel_size": 3}, {"kernel_size": 3, "dilation_rate": 2}, {"kernel_size": 4, "strides": 3}]
)
def test_causal_outputs_see_no_later_step(fields):
    x = sequences((1, 11, 2))
    network = Network([Conv1D(filters=3, padding="causal", **fields)], x)
    result = network.run()
    w, stride, gap = result.variables["conv1d_1/kernel"], fields.get("strides", 1), fields.get("dilation_rate", 1)
    padded = np.pad(x, ((0, 0), ((len(w) - 1) * gap, 0), (0, 0)))
    for i in range(result.outputs.shape[1]):
        window = padded[0, i * stride : i * stride + (len(w) - 1) * gap + 1 : gap]
        np.testing.assert_allclose(result.outputs[0, i], (window[:, :, None] * w).sum((0, 1)), rtol=1e-12)
    check_gradients(network)


def test_bits_depend_neither_on_threads_nor_on_the_batch():
    layers = [Conv1D(filters=17, kernel_size=5, padding="same", activation="relu"), Conv1D(filters=3, kernel_size=2)]
    same_bits_on_threads(layers, sequences())
    batch_equals_samples(layers, sequences())
