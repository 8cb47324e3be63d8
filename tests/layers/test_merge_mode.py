"""Both directions of recurrent layers made one: against the states side by side, and central differences."""

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import GRU, LSTM, Dense, Embedding, SimpleRNN
from tests.support.network import Network, check_gradients, same_bits_on_threads

MODES = {"sum": lambda a, b: a + b, "mul": np.multiply, "ave": lambda a, b: (a + b) / 2}
WORDS = Embedding(input_dim=9, output_dim=5, mask_zero=True, name="words")
IDS = np.array([[1.0, 2, 3, 4, 5], [6, 7, 0, 0, 0], [8, 1, 2, 0, 0], [0, 0, 0, 0, 0]])


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_states_side_by_side_are_made_one(kind, mode, return_sequences):
    def network(merge_mode):
        layer = kind(units=4, bidirectional=True, merge_mode=merge_mode, return_sequences=return_sequences)
        return Network([WORDS, layer], IDS)

    halves = np.split(network("concat").run().outputs, 2, axis=-1)
    merged = network(mode)
    np.testing.assert_allclose(merged.run().outputs, MODES[mode](*halves), rtol=1e-12)
    assert merged.graph.output.output_shape == ((5, 4) if return_sequences else (4,))


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_central_differences(mode):
    layers = [WORDS, GRU(units=3, bidirectional=True, merge_mode=mode, return_sequences=True), LSTM(units=2)]
    check_gradients(Network([*layers, Dense(units=2)], IDS), most=60)
    same_bits_on_threads(layers, IDS)


def test_the_mode_needs_two_directions():
    with pytest.raises(ConfigError, match="merge_mode is for the two directions of a bidirectional layer"):
        Network([GRU(units=3, merge_mode="sum")], np.zeros((2, 3, 4)))
    message = "in its part 'directions': a bidirectional layer takes the sequence both ways already"
    with pytest.raises(ConfigError, match=message) as caught:
        Network([GRU(units=3, bidirectional=True, go_backwards=True, merge_mode="sum")], np.zeros((2, 3, 4)))
    assert caught.value.problems[0].path == ("model", "layers", 0, "go_backwards")


def test_recurrent_dropout_is_no_field():
    with pytest.raises(ValueError, match="recurrent_dropout"):
        GRU(units=3, recurrent_dropout=0.2)
