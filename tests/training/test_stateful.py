"""Runs of stateful networks on streams of text: the order of the rows, exact resume, evaluation, what is refused."""

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.config.problems import LocatedConfigError
from dlrun.data.streams import stream_order
from dlrun.training.checkpointing import read_training
from dlrun.training.evaluation import evaluate_run
from dlrun.training.fit import validate
from dlrun.training.generation import LanguageModel, Sampling
from dlrun.training.run_data import own_data
from tests.training.runs import assert_same_runs, content_of, go_on, start, start_and_interrupt

STREAM = """
name: stream
data:
  source: {type: text, path: s.txt, stream: true, length: 8}
  inputs: {text: {transforms: [{type: tokenize, level: character}]}}
  target: {input: text, shift: 1}
  split: {validation: 0.3}
model:
  layers:
    - {type: embedding, output_dim: 12}
    - {type: lstm, name: first, units: 16, return_sequences: true, stateful: true, dropout: 0.1}
    - {type: gru, units: 16, return_sequences: true, stateful: true}
    - {type: dense, units: 7, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
metrics: [accuracy, perplexity]
training: {epochs: 4, batch_size: 7, threads: 2, shuffle: false}
"""


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.txt").write_text("abcd " * 300)
    (tmp_path / "lines.txt").write_text("ab cd\n" * 50)


@pytest.mark.parametrize(("rows", "batch"), [(1, 1), (12, 4), (13, 4), (15, 4), (7, 7), (100, 7), (5, 1)])
def test_rows_take_turns_as_streams(rows, batch):
    order = stream_order(rows, batch)
    assert sorted(order) == list(range(rows)), "nothing is left out"
    for step in range(batch, rows):
        assert order[step] == order[step - batch] + 1, "each row of a batch follows that of the batch before"


def test_a_stream_is_learned_and_goes_on_from_any_step(tmp_path, monkeypatch):
    run = start(tmp_path, STREAM).run
    assert evaluate_run(run, "validation", None).metrics["accuracy"] > 0.9
    for steps in (5, 19, 38):
        interrupted = start_and_interrupt(monkeypatch, tmp_path, STREAM, steps)
        tensors, state = content_of(interrupted.last)
        kept = {name: tensor for name, tensor in tensors.items() if name.startswith("state/")}
        assert bool(kept) == bool(state["step_of_epoch"])
        if kept:
            assert sorted(kept) == [
                "state/first/carried_hidden", "state/first/carried_states", "state/gru_1/carried_hidden"
            ]  # fmt: skip
            assert all(tensor.any() for tensor in kept.values())
        go_on(interrupted)
        assert_same_runs(interrupted, run)


def test_a_run_killed_in_an_epoch_begins_that_epoch_again(tmp_path):
    """What is on the disk after a kill is the checkpoint of the epoch before."""
    whole = start(tmp_path, STREAM).run
    killed = start(tmp_path, STREAM, "training.epochs=2").run
    go_on(killed, "training.epochs=4")
    assert_same_runs(killed, whole)
    assert_same_runs(start(tmp_path, STREAM, "training.threads=1").run, whole)


@pytest.mark.parametrize("batch", [1, 4])
def test_evaluation_reads_the_streams_one_token_after_the_other(tmp_path, batch):
    """The same loss as from a network that is given each stream's tokens one by one, its state kept."""
    run = start(tmp_path, STREAM, f"training.batch_size={batch}", "training.max_steps=30").run
    measured = evaluate_run(run, "validation", None)
    rows = own_data(read_training(run.last)).splits["validation"]
    ids, targets = rows.inputs["text"], rows.targets["target"]
    steps = -(-len(ids) // batch)
    model, losses = LanguageModel(run), np.zeros(ids.shape)
    order = stream_order(len(ids), batch)
    for stream in range(batch):
        seen = []
        for row in order[stream::batch]:
            for place in range(ids.shape[1]):
                seen.append(int(ids[row, place]))
                probabilities = model._reader.after(seen)
                losses[row, place] = -np.log(probabilities[targets[row, place]])
                if row < 2:
                    np.testing.assert_allclose(measured.predictions[row, place], probabilities, rtol=1e-4, atol=1e-6)
    assert steps > 1
    assert measured.metrics["loss"] == pytest.approx(losses.mean(), rel=1e-5)


def test_text_is_generated(tmp_path):
    model = LanguageModel(start(tmp_path, STREAM).run)
    ids, _ = model.encode("cd ab")
    text = "".join(model.generate(ids, 12, Sampling(temperature=0), 0))
    assert text == "".join(LanguageModel(model_run(tmp_path)).generate(ids, 12, Sampling(temperature=0), 0))
    whole = LanguageModel(model_run(tmp_path), recompute=True)
    first = whole.next_probabilities(ids)
    assert np.array_equal(first, whole.next_probabilities(ids)), "a window is read anew each time"
    assert np.array_equal(first, model.next_probabilities(ids))


def model_run(folder):
    """The first run of a folder."""
    from dlrun.runs.directory import find_run

    return find_run("stream-1", folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.shuffle=true", "a stateful layer needs the stream's order, but training.shuffle is true"),
        ("data.source.stride=4", "one every 4"),
        ("data.limit=20", "limit draws rows from it"),
        ("data.source={type: text, path: lines.txt}", "these rows are no stream"),
    ],
)
def test_data_that_are_no_stream_are_refused(change, message):
    text = STREAM
    if "lines" in change:
        text = text.replace(
            "{type: tokenize, level: character}", "{type: tokenize, level: character}, {type: pad, length: 8}"
        )
    with pytest.raises(LocatedConfigError, match=message) as caught:
        validate(load_text(text, "test.yaml", [change]))
    assert caught.value.located[0].span.line >= 1
