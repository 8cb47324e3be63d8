"""Gates whose second half lies apart from the first: where, and that nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

from dlrun.kernels.recurrent import APART, MIDDLE, WIDTH
from dlrun.kernels.recurrent_gradients import COLUMNS, NEARBY
from dlrun.kernels.target import MOST_COLUMNS
from dlrun.layers import GRU, LSTM, Embedding, SimpleRNN
from tests.support.network import Network, check_gradients, same_bits_on_threads
from tests.support.recurrent import outputs

WAYS = [
    {},
    {"return_sequences": True},
    {"go_backwards": True},
    {"bidirectional": True, "return_sequences": True},
    {"stateful": True},
]
by_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way) or "plain")
by_stateless_way = pytest.mark.parametrize("way", WAYS[:-1], ids=lambda way: "-".join(way) or "plain")
UNITS = MOST_COLUMNS // 2
"""The fewest units whose gates come apart: each half has whole panels."""
MANY = max(NEARBY, COLUMNS) // 2 + UNITS
IDS = np.random.default_rng(0).integers(0, 5, (7, 6)).astype(float)


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def layer_of(cell=LSTM, units=UNITS, **fields):
    return cell(name="layer", units=units, bias_initializer="random_normal", **fields)


def over_ids(layer, mask_zero=True):
    return [Embedding(name="table", input_dim=5, output_dim=4, mask_zero=mask_zero), layer]


def geometry_of(network, name="layer/geometry"):
    return np.asarray(network.plan.buffers[name].values)


def pieces_of(network):
    geometry = geometry_of(network)
    return int(geometry[WIDTH] / geometry[MIDDLE]), int(geometry[APART])


def test_gates_of_whole_panels_come_apart():
    pieces, apart = pieces_of(Network([layer_of()], values(3, 5, 4)))
    assert pieces == 2
    assert apart > 0


@pytest.mark.parametrize("layer", [layer_of(units=UNITS + 1), layer_of(GRU), layer_of(SimpleRNN)])
def test_others_stay_in_one_piece(layer):
    assert pieces_of(Network([layer], values(3, 5, 4))) == (1, 0)


def test_gates_that_are_not_kept_stay_in_one_piece():
    assert pieces_of(Network([layer_of()], values(3, 5, 4), training=False, gradients=False)) == (1, 0)


@by_way
def test_forward_is_the_plain_loop(way):
    x, layer = values(7, 5, 4), layer_of(**way)
    result = Network([layer], x).run()
    np.testing.assert_allclose(result.outputs, outputs(layer, "layer", x, result.variables), atol=1e-12)


@pytest.mark.parametrize("units", [UNITS, 3 * UNITS, MANY])
@by_stateless_way
def test_gradients_are_central_differences(way, units):
    """Of gates that are multiplied where they lie, and of so many that they are packed before, a part at a time."""
    check_gradients(Network([layer_of(units=units, **way)], values(5, 4, 3)), most=12)


@by_stateless_way
@pytest.mark.parametrize("mask_zero", [False, True])
def test_gradients_over_a_table_are_central_differences(way, mask_zero):
    check_gradients(Network(over_ids(layer_of(**way), mask_zero), IDS), most=12)


@by_way
@pytest.mark.parametrize("units", [UNITS, MANY])
@pytest.mark.parametrize("takes_ids", [False, True])
def test_bits_are_those_of_gates_in_one_piece(monkeypatch, way, units, takes_ids):
    layer = layer_of(units=units, **way)
    layers, x = (over_ids(layer), IDS) if takes_ids else ([layer], values(7, 6, 4))
    apart = Network(layers, x, "float32", batch=9)
    monkeypatch.setattr(LSTM, "cell", replace(LSTM.cell, has_halves=False))
    whole = Network(layers, x, "float32", batch=9)
    name = "layer/forward_geometry" if "bidirectional" in way else "layer/geometry"
    assert geometry_of(apart, name)[APART] > 0
    assert geometry_of(whole, name)[APART] == 0
    a, b = apart.run(), whole.run()
    np.testing.assert_array_equal(a.outputs, b.outputs)
    for found, expected in ((a.gradients, b.gradients), (a.input_gradients, b.input_gradients)):
        assert found.keys() == expected.keys()
        for key, gradient in found.items():
            np.testing.assert_array_equal(gradient, expected[key])


@by_way
def test_bits_do_not_depend_on_threads(way):
    same_bits_on_threads([layer_of(**way)], values(11, 14, 5), threads=(1, 2, 3, 4, 7))
    same_bits_on_threads(over_ids(layer_of(**way)), IDS, threads=(1, 2, 3, 4, 7))
