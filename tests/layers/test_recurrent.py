"""What the recurrent layers share, against plain loops, central differences, and themselves on other threads."""

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.kernels.recurrent import STEPS, STRIP
from dlrun.kernels.recurrent_gradients import COLUMNS, DEPTH, NEARBY, ROWS
from dlrun.layers import GRU, LSTM, Dense, Embedding, SimpleRNN
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads
from tests.support.recurrent import outputs

CELLS = [SimpleRNN, LSTM, GRU]
WAYS = [
    {},
    {"return_sequences": True},
    {"go_backwards": True},
    {"go_backwards": True, "return_sequences": True},
    {"bidirectional": True},
    {"bidirectional": True, "return_sequences": True},
]
by_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.type_name())
by_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way) or "plain")


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def layer_of(cell, units, **fields):
    return cell(name="layer", units=units, bias_initializer="random_normal", **fields)


@by_way
@by_cell
def test_forward_is_the_plain_loop(cell, way):
    x, layer = values(7, 3, 4), layer_of(cell, 5, **way)
    result = Network([layer], x).run()
    np.testing.assert_allclose(result.outputs, outputs(layer, "layer", x, result.variables), atol=1e-12)


@by_way
@by_cell
def test_gradients_are_central_differences(cell, way):
    check_gradients(Network([layer_of(cell, 5, **way)], values(7, 3, 4)), most=25)


SIZES = [
    (1, 1, 1, 1),
    (2, STEPS + 1, 3, 17),
    (STRIP + 1, 2, 1, 3),
    (3, DEPTH + 3, 2, 2),
    (2, 3, ROWS + 1, COLUMNS // 4 + 1),
]


@pytest.mark.parametrize(("rows", "time", "features", "units"), SIZES)
@by_cell
def test_sizes_beyond_blocks(cell, rows, time, features, units):
    x, layer = values(rows, time, features), layer_of(cell, units, return_sequences=True)
    network = Network([layer], x)
    result = network.run()
    np.testing.assert_allclose(result.outputs, outputs(layer, "layer", x, result.variables), atol=1e-12)
    check_gradients(network, most=12)


@pytest.mark.parametrize(
    "way",
    [{}, {"go_backwards": True}, {"bidirectional": True}, {"return_sequences": True}],
    ids=lambda way: "-".join(way) or "plain",
)
@pytest.mark.parametrize(
    ("rows", "time", "units"),
    [(DEPTH + 2, 3, 2), (3, DEPTH // 3 + 2, 2), (3, DEPTH // 3 + 2, NEARBY // 4 + 1), (3, 4, ROWS + 1)],
)
@by_cell
def test_gradients_of_several_blocks_are_central_differences(cell, rows, time, units, way):
    """Of samples, steps or units, and of gates and states that are multiplied where they lie or are packed before."""
    check_gradients(Network([layer_of(cell, units, **way)], values(rows, time, 1)), most=12)


@pytest.mark.parametrize("way", [{"go_backwards": True}, {"bidirectional": True, "return_sequences": True}])
@by_cell
def test_bits_do_not_depend_on_threads(cell, way):
    same_bits_on_threads([layer_of(cell, 19, **way)], values(11, 14, 5))


@by_way
@by_cell
def test_a_batch_equals_its_samples(cell, way):
    batch_equals_samples([layer_of(cell, 9, **way)], values(5, 14, 6))


@by_way
@by_cell
def test_inference_has_the_bits_of_training(cell, way):
    x, layers = values(5, 2 * STEPS + 3, 6), [layer_of(cell, 9, **way)]
    trained = Network(layers, x, "float32").run().outputs
    assert np.array_equal(trained, Network(layers, x, "float32", training=False, gradients=False).run().outputs)


IDS = np.array([[3, 1, 2, 0, 0], [0, 0, 1, 2, 3], [4, 0, 5, 0, 6], [0, 0, 0, 0, 0], [1, 2, 3, 4, 5]], float)


def masked(layer):
    return [Embedding(name="table", input_dim=9, output_dim=4, mask_zero=True), layer]


@by_way
@by_cell
def test_padding_carries_the_state_over(cell, way):
    layer = layer_of(cell, 5, **way)
    network = Network(masked(layer), IDS)
    result = network.run()
    x = result.variables["table/embeddings"][IDS.astype(int)]
    expected = outputs(layer, "layer", x, result.variables, IDS > 0)
    np.testing.assert_allclose(result.outputs, expected, atol=1e-12)
    inference = Network(masked(layer), IDS, training=False, gradients=False).run()
    np.testing.assert_array_equal(inference.outputs, result.outputs)


@by_way
@by_cell
def test_gradients_with_padding_are_central_differences(cell, way):
    check_gradients(Network(masked(layer_of(cell, 5, **way)), IDS), most=16)


def test_the_mask_goes_on_in_the_order_of_the_steps():
    for way, expected in [
        ({}, IDS > 0),
        ({"go_backwards": True}, (IDS > 0)[:, ::-1]),
        ({"bidirectional": True}, IDS > 0),
    ]:
        first = LSTM(name="first", units=3, return_sequences=True, **way)
        second = LSTM(name="second", units=2)
        result = Network([*masked(first), second], IDS).run()
        x = outputs(first, "first", result.variables["table/embeddings"][IDS.astype(int)], result.variables, IDS > 0)
        np.testing.assert_allclose(result.outputs, outputs(second, "second", x, result.variables, expected), atol=1e-12)


def test_stacked_layers_train_together():
    layers = [GRU(units=3, return_sequences=True), LSTM(units=4, bidirectional=True, return_sequences=True),
              SimpleRNN(units=2), Dense(units=2)]  # fmt: skip
    check_gradients(Network(layers, values(3, 4, 2)), most=16)


@by_cell
def test_dropout_drops_the_same_features_in_all_steps(cell):
    x = np.ones((6, 4, 30))
    network = Network([layer_of(cell, 3, dropout=0.4, return_sequences=True)], x)
    network.run()
    dropped = network.executor.array("layer/dropped")[: x.size].reshape(x.shape)
    assert np.array_equal(dropped, np.broadcast_to(dropped[:, :1], x.shape))
    assert set(np.unique(dropped)) == {0, 1 / 0.6}
    assert len(np.unique(dropped[:, 0], axis=0)) == 6
    check_gradients(network, most=16)
    plain = Network([layer_of(cell, 3, return_sequences=True)], x, training=False, gradients=False).run()
    quiet = Network([layer_of(cell, 3, dropout=0.4, return_sequences=True)], x, training=False, gradients=False).run()
    assert np.array_equal(plain.outputs, quiet.outputs)


@by_cell
def test_without_bias(cell):
    x, layer = values(4, 3, 2), cell(name="layer", units=3, use_bias=False)
    network = Network([layer], x)
    result = network.run()
    assert sorted(result.gradients) == ["layer/kernel", "layer/recurrent_kernel"]
    np.testing.assert_allclose(result.outputs, outputs(layer, "layer", x, result.variables), atol=1e-12)
    check_gradients(network, most=20)


@by_cell
def test_a_frozen_layer_passes_gradients_on(cell):
    result = Network([Dense(units=3), cell(units=4, trainable=False), Dense(units=2)], values(4, 3, 2)).run()
    assert sorted(result.gradients) == ["dense_1/bias", "dense_1/kernel", "dense_2/bias", "dense_2/kernel"]


@by_cell
def test_recurrent_weights_start_orthogonal(cell):
    weights = Network([cell(name="layer", units=6)], values(1, 2, 3)).run().variables["layer/recurrent_kernel"]
    np.testing.assert_allclose(weights @ weights.T, np.eye(6), atol=1e-12)


def test_a_sequence_is_needed():
    with pytest.raises(ConfigError, match=r"lstm needs an input of shape \(time, features\), got \(4,\)"):
        Network([LSTM(units=3)], values(2, 4))


def test_both_ways_and_backwards_exclude_each_other():
    with pytest.raises(ConfigError, match="takes the sequence both ways already"):
        Network([GRU(units=3, bidirectional=True, go_backwards=True)], values(2, 4, 3))


def test_a_nan_reaches_the_output():
    x = values(2, 3, 4)
    x[1, 1, 2] = np.nan
    for cell in CELLS:
        y = Network([cell(units=3, return_sequences=True)], x, "float32", gradients=False).run().outputs
        assert np.isnan(y[1, 1:]).all()
        assert not np.isnan(y[0]).any()
        assert not np.isnan(y[1, 0]).any()
