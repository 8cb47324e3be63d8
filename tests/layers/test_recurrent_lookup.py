"""A recurrent layer that multiplies an embedding's table, not its vectors: when, and that nothing else changes."""

import numpy as np
import pytest

from dlrun.kernels.recurrent_lookup import CACHED
from dlrun.layers import GRU, LSTM, Add, Dropout, Embedding, SimpleRNN
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

CELLS = [SimpleRNN, LSTM, GRU]
WAYS = [{}, {"go_backwards": True, "return_sequences": True}, {"bidirectional": True, "return_sequences": True}]
by_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.type_name())
by_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way) or "plain")
IDS = np.random.default_rng(0).integers(0, 5, (7, 6)).astype(float)


def layers_of(cell, way, between=(), **fields):
    """An embedding and a recurrent layer; a layer between them that does nothing keeps them apart."""
    table = Embedding(name="table", input_dim=5, output_dim=4, mask_zero=True, **fields)
    return [table, *between, cell(name="layer", units=5, bias_initializer="random_normal", **way)]


def kernels_of(network):
    return {call.kernel.name for call in [*network.plan.prologue, *network.plan.calls]}


@by_way
@by_cell
def test_outputs_have_the_same_bits(cell, way):
    together = Network(layers_of(cell, way), IDS, "float32")
    apart = Network(layers_of(cell, way, [Dropout(rate=0)]), IDS, "float32")
    assert {"lookup_project", "lookup_backward_table"} <= kernels_of(together)
    assert not kernels_of(together) & {"embedding_forward", "embedding_backward", "recurrent_backward_input"}
    assert "lookup_project" not in kernels_of(apart)
    a, b = together.run(), apart.run()
    assert np.array_equal(a.outputs, b.outputs)
    assert a.gradients.keys() == b.gradients.keys()
    for name, gradient in a.gradients.items():
        np.testing.assert_allclose(gradient, b.gradients[name], rtol=1e-4, atol=1e-5)


@by_way
@by_cell
def test_gradients_are_central_differences(cell, way):
    check_gradients(Network(layers_of(cell, way), IDS), most=16)


def assert_same_gradients(layer, ids, input_dim):
    table = Embedding(name="table", input_dim=input_dim, output_dim=4)
    together, apart = (Network([table, *between, layer], ids) for between in ([], [Dropout(rate=0)]))
    assert "lookup_backward_weights" in kernels_of(together)
    assert "lookup_backward_weights" not in kernels_of(apart)
    a, b = together.run().gradients, apart.run().gradients
    assert a.keys() == b.keys()
    for name, gradient in a.items():
        np.testing.assert_allclose(gradient, b[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("units", [3, 37, 70])
@by_way
@by_cell
def test_gradients_of_ids_that_are_many_or_missing(cell, way, units):
    """The widest gates take several rounds of the most vectors that are summed at a time."""
    ids = np.array([1, 4, 5, 11])[np.random.default_rng(1).integers(0, 4, (9, 4))].astype(float)
    assert_same_gradients(cell(name="layer", units=units, bias_initializer="random_normal", **way), ids, 13)


def test_gradients_of_more_gates_than_a_cache_holds():
    ids = np.random.default_rng(1).integers(0, 40, (64, CACHED // (64 * 4 * 96) + 1)).astype(float)
    assert_same_gradients(LSTM(name="layer", units=96, return_sequences=True), ids, 41)


@by_cell
def test_bits_do_not_depend_on_threads(cell):
    same_bits_on_threads(layers_of(cell, WAYS[-1]), IDS)
    batch_equals_samples(layers_of(cell, WAYS[-1]), IDS)


def test_in_inference_the_table_is_projected_before_the_steps():
    network = Network(layers_of(LSTM, {}), IDS, training=False, gradients=False)
    assert "lookup_project" in {call.kernel.name for call in network.plan.prologue}
    trained = Network(layers_of(LSTM, {}), IDS)
    np.testing.assert_array_equal(network.run().outputs, trained.run().outputs)


def test_an_id_outside_the_table_is_not_a_number():
    ids = IDS.copy()
    ids[2, 5] = 5
    outputs = Network(layers_of(GRU, {}), ids, gradients=False).run().outputs
    assert np.isnan(outputs[2]).all()
    assert np.isnan(outputs).sum() == outputs.shape[1]


def test_a_frozen_table_gets_no_gradient():
    result = Network(layers_of(LSTM, {}, trainable=False), IDS).run()
    assert sorted(result.gradients) == ["layer/bias", "layer/kernel", "layer/recurrent_kernel"]


def test_what_others_read_is_not_left_out():
    layers = [
        Embedding(name="table", input_dim=5, output_dim=4),
        LSTM(name="layer", units=4, return_sequences=True),
        Add(inputs=("table", "layer")),
    ]
    network = Network(layers, IDS)
    assert "embedding_forward" in kernels_of(network)
    check_gradients(network, most=16)


@pytest.mark.parametrize(("layers", "ids"), [
    (layers_of(LSTM, {"dropout": 0.5}), IDS),
    (layers_of(LSTM, {}), IDS[:1]),
    ([layers_of(LSTM, {})[0], LSTM(name="layer", units=5, trainable=False)], IDS),
])  # fmt: skip
def test_where_it_does_not_pay_it_is_not_done(layers, ids):
    assert "lookup_project" not in kernels_of(Network(layers, ids))
