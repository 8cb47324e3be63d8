"""Models of text from the config to generated text: the same to the bit, and honest about what they are."""

from __future__ import annotations

import numpy as np
import pytest

from dlrun.data.dataset import Dataset, Split
from dlrun.errors import UsageError
from dlrun.training import session as sessions
from dlrun.training.checkpointing import read_training
from dlrun.training.evaluation import evaluate_run
from dlrun.training.generation import LanguageModel, Sampling
from dlrun.training.prediction import predict_rows
from tests.training.runs import Heard, assert_same_runs, go_on, rows_of, start, start_and_interrupt

STREAM = """
name: stream
data:
  source: {type: text, path: s.txt, stream: true, length: 8, stride: 4}
  inputs: {text: {transforms: [{type: tokenize, level: character}]}}
  target: {input: text, shift: 1}
  split: {validation: 0.3}
model:
  layers:
    - {type: embedding, output_dim: 12}
    - {type: gru, units: 16, return_sequences: true}
    - {type: dense, units: 7, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
metrics: [accuracy, perplexity, bits_per_token]
training: {epochs: 4, batch_size: 16, threads: 2}
"""

LINES = """
name: lines
data:
  source: {type: text, path: n.txt}
  inputs:
    text:
      transforms:
        - {type: tokenize, level: character, start_token: <start>, end_token: <end>}
        - {type: pad, length: 9}
  target: {input: text, shift: 1}
  split: {validation: 0.2}
model:
  layers:
    - {type: embedding, output_dim: 8, mask_zero: true}
    - {type: transformer_decoder, num_heads: 2, intermediate_dim: 16, rotary: true}
    - {type: dense, units: 6, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
metrics: [perplexity]
training: {epochs: 8, batch_size: 8, threads: 1}
"""

CLASSES = """
name: classes
data:
  source: {type: text, path: r}
  inputs:
    text:
      transforms: [{type: tokenize, level: word}, {type: pad, length: 5}]
  split: {validation: 0.2}
model:
  layers:
    - {type: embedding, output_dim: 8}
    - {type: conv1d, filters: 8, kernel_size: 2}
    - global_max_pool1d
    - {type: dense, units: 2, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.05}
metrics: [accuracy]
training: {epochs: 6, batch_size: 8, threads: 1}
"""


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.txt").write_text("abcd " * 300)
    (tmp_path / "n.txt").write_text("aab\nabab\nbb\n" * 20)
    (tmp_path / "r").mkdir()
    (tmp_path / "r/good.txt").write_text("what a joy\nlovely and fine\na fine film\n" * 10)
    (tmp_path / "r/bad.txt").write_text("what a bore\nugly and dull\na dull film\n" * 10)


def test_a_stream_is_learned_and_goes_on(tmp_path):
    run = start(tmp_path, STREAM).run
    row = rows_of(run)[-1]
    assert row["validation/accuracy"] > 0.95
    assert row["validation/bits_per_token"] == pytest.approx(np.log2(row["validation/perplexity"]))
    assert np.exp(row["validation/loss"]) == pytest.approx(row["validation/perplexity"], rel=1e-5)
    model = LanguageModel(run)
    ids, unknown = model.encode("cd ab")
    assert unknown == []
    assert "".join(model.generate(ids, 12, Sampling(temperature=0), 0)) == "cd abcd abcd"
    assert "".join(model.generate(ids * 9, 2, Sampling(temperature=0), 0)) == "cd", "a prompt longer than the window"
    assert model.encode("a?b?")[1] == ["?"]
    with pytest.raises(UsageError, match="nothing to begin with"):
        model.encode("")


def test_the_same_seed_gives_the_same_text(tmp_path):
    model = LanguageModel(start(tmp_path, STREAM, "training.max_steps=2").run)
    ids, _ = model.encode("ab")
    texts = ["".join(model.generate(ids, 30, Sampling(2.0, 4), seed)) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
    assert all(len(text) == 30 for text in texts)


def test_sampling():
    p = np.array([0.1, 0.5, 0.0, 0.4], np.float32)
    drawn = [Sampling().draw(p, u) for u in (0.0, 0.49, 0.51, 0.89, 0.91, 0.999999999)]
    assert drawn == [1, 1, 3, 3, 0, 0]
    assert {Sampling(top_k=1).draw(p, u) for u in (0.0, 0.5, 0.99)} == {1}
    assert {Sampling(top_k=3).draw(p, u) for u in np.linspace(0, 0.9999, 100)} == {0, 1, 3}
    assert Sampling(temperature=0.01).draw(p, 0.99) == 1, "cold, the likeliest takes all"
    hot = [Sampling(temperature=1e6).draw(p, u) for u in (0.2, 0.5, 0.9)]
    assert hot == [1, 3, 0], "hot, all are alike"


def test_lines_begin_and_end(tmp_path):
    run = start(tmp_path, LINES).run
    model = LanguageModel(run)
    ids, _ = model.encode("")
    assert ids == [2], "the start token alone"
    texts = {"".join(model.generate(ids, 50, Sampling(), seed)) for seed in range(12)}
    assert max(map(len, texts)) < 50, "the end token ends a text"
    assert set("".join(texts)) <= set("ab")


def test_an_interrupted_run_ends_with_the_same_bits(tmp_path, monkeypatch):
    whole = start(tmp_path, STREAM).run
    run = start_and_interrupt(monkeypatch, tmp_path, STREAM, 23)
    assert_same_runs(whole, go_on(run).run)
    fitted = [read_training(each.last).fitted for each in (whole, run)]
    assert fitted[0] == fitted[1]
    vocabulary = fitted[0]["inputs/text/0/vocabulary"]
    assert (vocabulary[:2], set(vocabulary[2:])) == (["<pad>", "<unknown>"], set("abcd "))


def test_byte_pairs_are_learned_the_same_again(tmp_path, monkeypatch):
    pytest.importorskip("tokenizers", reason="the extra text is not installed")
    text = STREAM.replace("level: character", "level: byte_pair, vocabulary_size: 262").replace(
        "units: 7", "units: 262"
    )
    text = text.replace("length: 8, stride: 4", "length: 4").replace("data:\n", "data:\n  cache: memory\n")
    whole = start(tmp_path, text).run
    run = start_and_interrupt(monkeypatch, tmp_path, text, 3)
    assert_same_runs(whole, go_on(run).run)
    model = LanguageModel(whole)
    ids, _ = model.encode("ab")
    assert set("".join(model.generate(ids, 20, Sampling(temperature=0), 0))) <= set("abcd ")


def test_predictions_too_large_for_memory_are_measured_in_parts(tmp_path, monkeypatch):
    whole = start(tmp_path, STREAM).run
    monkeypatch.setattr(sessions, "MOST_COLLECTED", 8 * 7 * 40)
    monkeypatch.setattr(sessions, "EVALUATION_BATCH", 16)
    heard = Heard()
    notes = []
    heard.start = lambda start: notes.extend(start.notes)
    parts = start(tmp_path, STREAM, listener=heard).run
    assert "validation rows only" in notes[0]
    for one, other in zip(rows_of(whole), rows_of(parts), strict=True):
        assert not any(name in ("train/accuracy", "train/perplexity") for name in other if other[name] is not None)
        assert one["train/loss"] == other["train/loss"]
        for name in ("loss", "accuracy", "perplexity"):
            assert one[f"validation/{name}"] == pytest.approx(other[f"validation/{name}"], rel=1e-6)
    assert evaluate_run(parts, "validation", None).metrics["accuracy"] > 0.95


def test_classes_of_text(tmp_path):
    run = start(tmp_path, CLASSES).run
    rows = predict_rows(run, None, [], ["a dull bore", "a lovely joy indeed"])
    assert [row["prediction"] for row in rows] == ["bad", "good"]
    assert rows[0]["text"] == "a dull bore"
    (tmp_path / "new.txt").write_text("fine\n\ndull\n")
    rows = predict_rows(run, None, [tmp_path / "new.txt"], ["ugly"])
    assert [(row["text"], row["prediction"]) for row in rows] == [("fine", "good"), ("dull", "bad"), ("ugly", "bad")]


def test_each_command_says_where_it_is_the_wrong_one(tmp_path):
    with pytest.raises(UsageError, match="is no language model") as caught:
        LanguageModel(start(tmp_path, CLASSES, "training.max_steps=1").run)
    assert "dlrun predict" in caught.value.help
    run = start(tmp_path, LINES, "training.max_steps=1").run
    with pytest.raises(UsageError, match="each position") as caught:
        predict_rows(run, None, [], ["ab"])
    assert "dlrun generate" in caught.value.help
    own = LINES.replace("shift: 1", "shift: 0")
    with pytest.raises(UsageError, match="is no language model"):
        LanguageModel(start(tmp_path, own, "training.max_steps=1").run)


def test_what_comes_next_is_what_evaluation_says(tmp_path):
    """One window padded at its end gives the same probabilities as the whole in a batch."""
    run = start(tmp_path, LINES, "training.epochs=1").run
    restored = read_training(run.last)
    model = LanguageModel(run)
    ids = [2, 4, 5, 4]
    batch = np.zeros((3, 9), np.int32)
    batch[1, :4] = ids
    split = Split({"text": batch}, {"target": np.full_like(batch, -1)}, None, np.arange(3))
    dataset = Dataset(restored.signature, {"validation": split}, "", restored.fitted)
    session = sessions.Session(restored.config.config, restored.config.layer_paths, dataset)
    session.evaluator("validation")
    for name, place in session.variables().items():
        place[...] = restored.checkpoint.tensors[f"model/{name}"]
    expected = session.predict(split)[1, 3]
    expected[[0, 1, 2]] = 0
    np.testing.assert_array_equal(model.next_probabilities(ids), expected)
