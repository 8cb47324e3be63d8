"""Text token by token: each position computed once, and what that must not change."""

import numpy as np
import pytest

from dlrun.training.generation import LanguageModel, Sampling, text_before
from tests.training.runs import start

MODEL = """
name: model
data:
  source: {{type: text, path: s.txt, stream: true, length: 11, stride: 3}}
  inputs: {{text: {{transforms: [{{type: tokenize, level: character}}]}}}}
  target: {{input: text, shift: 1}}
  split: {{validation: 0.3}}
model:
  layers:
{layers}
    - {{type: dense, units: 9, activation: softmax}}
loss: cross_entropy
optimizer: {{type: adam, learning_rate: 0.02}}
training: {{epochs: 1, batch_size: 8, max_steps: 4, threads: 1}}
"""
BLOCK = "type: transformer_decoder, num_heads: 2, intermediate_dim: 10, activation: gelu"
NETWORKS = {
    "learned positions": ["{type: embedding, output_dim: 12}", "positional_embedding", f"{{{BLOCK}}}", f"{{{BLOCK}}}"],
    "longer table": [
        "{type: embedding, output_dim: 12, mask_zero: true}", "{type: positional_embedding, sequence_length: 20}",
        f"{{{BLOCK}, normalize_first: true, dropout: 0.2}}", "layer_normalization",
    ],
    "waves": [
        "{type: embedding, output_dim: 6}", "{type: positional_embedding, mode: sinusoidal}",
        "{type: multi_head_attention, num_heads: 3, key_dim: 5, value_dim: 4, causal: true}",
    ],
    "rotary": [
        "{type: embedding, output_dim: 16, mask_zero: true}",
        f"{{{BLOCK}, rotary: true, normalization: rms_normalization}}",
    ],
    "simple_rnn": [
        "{type: embedding, output_dim: 5}",
        "{type: simple_rnn, units: 7, activation: relu, return_sequences: true}", "{type: dropout, rate: 0.3}",
        "{type: simple_rnn, units: 19, return_sequences: true}", "batch_normalization",
    ],
    "gru": [
        "{type: embedding, output_dim: 5, mask_zero: true}", "{type: gru, units: 17, return_sequences: true}",
        "{type: gru, units: 6, return_sequences: true, use_bias: false, dropout: 0.2}",
    ],
    "a block twice": [
        "{type: embedding, output_dim: 12}", f"{{{BLOCK}, name: block, rotary: true}}", "{type: shared, layer: block}",
        "{type: lstm, name: cell, units: 12, return_sequences: true}", "{type: shared, layer: cell}",
        "{type: time_distributed, layer: {type: dense, units: 7, activation: relu}}",
    ],
    "lstm beside its input": [
        "{type: embedding, name: vectors, output_dim: 9}",
        "{type: lstm, name: first, units: 20, return_sequences: true}",
        "{type: lstm, name: second, units: 9, return_sequences: true}",
        "{type: add, name: both, inputs: [vectors, second]}", "{type: concatenate, inputs: [both, first]}",
    ],
}  # fmt: skip
WHOLE = {
    "conv1d_1": ["{type: embedding, output_dim: 5}", "{type: conv1d, filters: 6, kernel_size: 3, padding: same}"],
    "lstm_1": [
        "{type: embedding, output_dim: 5}", "{type: lstm, units: 4, bidirectional: true, return_sequences: true}",
    ],
    "multi_head_attention_1/heads": ["{type: embedding, output_dim: 6}", "{type: multi_head_attention, num_heads: 2}"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    letters = np.random.default_rng(0).choice(list("abcdef "), 900)
    (tmp_path / "s.txt").write_text("".join(letters))


def models(folder, layers):
    run = start(folder, MODEL.format(layers="\n".join(f"    - {layer}" for layer in layers))).run
    return LanguageModel(run), LanguageModel(run, recompute=True)


@pytest.mark.parametrize("kind", NETWORKS)
def test_each_position_alone_gives_the_bits_of_the_whole_window(tmp_path, kind):
    steps, whole = models(tmp_path, NETWORKS[kind])
    assert steps.note is None
    ids = [2, 5, 3, 3, 8, 1, 2, 4, 7, 6, 2]
    for length in (1, 3, 4, 5, 9, 11, 2, 6):
        found, expected = (model.next_probabilities(ids[:length]) for model in (steps, whole))
        np.testing.assert_array_equal(found, expected)


def test_beyond_the_window_attention_sees_the_last_tokens(tmp_path):
    steps, whole = models(tmp_path, NETWORKS["learned positions"])
    texts = ["".join(model.generate([3, 4], 30, Sampling(2.0), 1)) for model in (steps, whole)]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 30
    ids = list(range(2, 9)) * 3
    np.testing.assert_array_equal(steps.next_probabilities(ids), whole.next_probabilities(ids[-11:]))


def test_beyond_the_window_a_state_goes_on(tmp_path):
    steps, whole = models(tmp_path, NETWORKS["gru"])
    ids = list(range(2, 9)) * 3
    at_once = steps.next_probabilities(ids)
    assert not np.array_equal(at_once, whole.next_probabilities(ids))
    for length in range(1, len(ids) + 1):
        found = steps.next_probabilities(ids[:length])
    np.testing.assert_array_equal(found, at_once)


@pytest.mark.parametrize("place", WHOLE)
def test_networks_that_need_whole_sequences_say_so(tmp_path, place):
    steps, whole = models(tmp_path, WHOLE[place])
    assert steps.note == f"{place} needs whole sequences"
    np.testing.assert_array_equal(steps.next_probabilities([3, 4]), whole.next_probabilities([3, 4]))


def test_a_share_of_the_likeliest():
    p = np.array([0.1, 0.5, 0.0, 0.4], np.float32)
    drawn = {
        top: {Sampling(top_p=top).draw(p, u) for u in np.linspace(0, 0.9999, 100)} for top in (0, 0.4, 0.6, 0.95, 1)
    }
    assert drawn == {0: {1}, 0.4: {1}, 0.6: {1, 3}, 0.95: {0, 1, 3}, 1: {0, 1, 3}}
    assert {Sampling(top_k=2, top_p=0.99).draw(p, u) for u in np.linspace(0, 0.9999, 100)} == {1, 3}


@pytest.mark.parametrize(
    ("pieces", "stop", "expected"),
    [
        (["a", "b", "c"], [], ["a", "b", "c"]),
        (["a", "\n", "\n", "b"], ["\n\n"], ["a"]),
        (["a", "\n", "b"], ["\n\n"], ["a", "\nb"]),
        (["xa", "ab", "abc", "d"], ["aabc"], ["x", "aababc", "d"]),
        (["one two. three"], ["three", "two"], ["one "]),
        (["a", "b"], ["bc"], ["a", "b"]),
    ],
)
def test_text_ends_before_a_stop(pieces, stop, expected):
    assert list(text_before(iter(pieces), stop)) == expected


def test_the_caller_keeps_its_subnormal_numbers(tmp_path):
    subnormal = np.full(4, 1e-40, np.float32)
    steps, _ = models(tmp_path, NETWORKS["gru"])
    steps.next_probabilities([2, 5, 3])
    assert (subnormal * np.float32(2) > subnormal).all()
