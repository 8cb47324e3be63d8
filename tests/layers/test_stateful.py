"""Stateful recurrent layers: batches go on where those before ended, gradients stop there; the same on threads."""

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import GRU, LSTM, Embedding, SimpleRNN
from tests.support.network import Network
from tests.support.training import Training, differing

CELLS = {"simple_rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}
ROWS, TIME, FEATURES, UNITS = 5, 14, 3, 4


def halves(layers, x, **options):
    """What a network gives for each half of the sequences, one after the other."""
    network = Network(layers, x[:, : TIME // 2], **options)
    place = network.executor.data["data/inputs/x"]
    results = [network.run()]
    place[...] = x[:, TIME // 2 :]
    return [*results, network.run()], network


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("sequences", [True, False])
def test_two_halves_are_one_sequence(kind, gradients, sequences):
    x = np.random.default_rng(0).standard_normal((ROWS, TIME, FEATURES))
    options = {"gradients": gradients, "training": gradients}
    parts, _ = halves([CELLS[kind](units=UNITS, stateful=True, return_sequences=sequences)], x, **options)
    whole = Network([CELLS[kind](units=UNITS, return_sequences=sequences)], x, **options).run()
    if sequences:
        assert np.array_equal(np.concatenate([part.outputs for part in parts], axis=1), whole.outputs)
    else:
        assert np.array_equal(parts[1].outputs, whole.outputs)


@pytest.mark.parametrize("kind", CELLS)
def test_padding_hands_the_state_on_between_batches(kind):
    ids = np.random.default_rng(0).integers(0, 3, (ROWS, TIME)).astype(float)

    def layers(**options):
        embedding = Embedding(input_dim=3, output_dim=FEATURES, mask_zero=True)
        return [embedding, CELLS[kind](units=UNITS, return_sequences=True, **options)]

    parts, network = halves(layers(stateful=True), ids)
    assert any("lookup" in kernel.name for kernel in network.plan.kernels), "the table is read in the input's place"
    whole = Network(layers(), ids).run()
    assert np.array_equal(np.concatenate([part.outputs for part in parts], axis=1), whole.outputs)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("sequences", [True, False])
def test_gradients_take_the_state_before_as_it_is(kind, sequences):
    """Central differences of the second batch's loss, from the same state each time."""
    x = np.random.default_rng(1).standard_normal((ROWS, TIME, FEATURES))
    layer = CELLS[kind](units=UNITS, stateful=True, return_sequences=sequences)
    network = Network([layer], x[:, : TIME // 2])
    network.run()
    network.executor.data["data/inputs/x"][...] = x[:, TIME // 2 :]
    arena = network.executor.arenas["state"]
    state = arena.copy()
    assert state.any()

    def run():
        arena[:] = state
        return network.run()

    result, delta = run(), 1e-6
    assert set(result.gradients) == {name for name, _ in network.names}
    for name, gradient in result.gradients.items():
        place = network.executor.array(name)
        for index in range(place.size):
            kept = place[index]
            place[index] = kept + delta
            above = run().loss
            place[index] = kept - delta
            below = run().loss
            place[index] = kept
            numeric = (above - below) / (2 * delta)
            assert gradient.ravel()[index] == pytest.approx(numeric, rel=1e-6, abs=1e-7), (name, index)


@pytest.mark.parametrize("kind", ["simple_rnn", "lstm"])
def test_truncated_backpropagation_is_pytorchs(kind):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = np.random.default_rng(1).standard_normal((ROWS, TIME, FEATURES))
    parts, network = halves([CELLS[kind](units=UNITS, stateful=True, return_sequences=True)], x)
    cell = {"simple_rnn": torch.nn.RNN, "lstm": torch.nn.LSTM}[kind](
        FEATURES, UNITS, batch_first=True, dtype=torch.float64
    )
    kernel, recurrent, bias = (
        parts[0].variables[f"{kind}_1/{name}"] for name in ("kernel", "recurrent_kernel", "bias")
    )
    with torch.no_grad():
        cell.weight_ih_l0.copy_(torch.tensor(kernel.T.copy()))
        cell.weight_hh_l0.copy_(torch.tensor(recurrent.T.copy()))
        cell.bias_ih_l0.copy_(torch.tensor(bias))
        cell.bias_hh_l0.zero_()
    state, coefficients = None, torch.tensor(network.coefficients)
    for part, half in zip(parts, (x[:, : TIME // 2], x[:, TIME // 2 :]), strict=True):
        cell.zero_grad()
        y, state = cell(torch.tensor(half), state)
        state = tuple(each.detach() for each in state) if kind == "lstm" else state.detach()
        (y * coefficients).sum().div(ROWS).backward()
        np.testing.assert_allclose(part.outputs, y.detach(), atol=1e-12)
        for name, gradient in (("kernel", cell.weight_ih_l0), ("recurrent_kernel", cell.weight_hh_l0)):
            np.testing.assert_allclose(part.gradients[f"{kind}_1/{name}"], gradient.grad.T, atol=1e-12)
        np.testing.assert_allclose(part.gradients[f"{kind}_1/bias"], cell.bias_ih_l0.grad, atol=1e-12)


@pytest.mark.parametrize("kind", CELLS)
def test_bits_do_not_depend_on_threads(kind):
    layers = [{"type": kind, "units": 19, "stateful": True, "return_sequences": True}, {"type": "dense", "units": 3}]
    x = np.random.default_rng(1).standard_normal((16, 9, 5))
    first = Training(layers, x, 1)
    kept = first.run()
    assert first.executor.arenas["state"].any()
    for threads in (2, 3, 4):
        other = Training(layers, x, threads)
        assert differing(kept, other.run()) == []
        assert np.array_equal(first.executor.arenas["state"], other.executor.arenas["state"])


def test_what_begins_at_the_end_can_not_go_on():
    for field in ("bidirectional", "go_backwards"):
        with pytest.raises(ConfigError, match="a stateful layer goes on where the batch before ended"):
            Network([GRU(units=2, stateful=True, **{field: True})], np.zeros((2, 3, 4)))
