"""Buckets by length: which rows stand together, and that shorter steps change nothing but the time."""

from __future__ import annotations

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.data.load import load
from dlrun.errors import ConfigError
from dlrun.executor.executor import Executor
from dlrun.training.buckets import Buckets
from dlrun.training.events import Listener
from dlrun.training.session import Session
from dlrun.training.trainer import Trainer
from tests.training.runs import LINE, Heard, assert_same_runs, go_on, start, start_and_interrupt
from tests.training.test_translation import NUMBERS, write_numbers

LSTM = """
name: signs
data:
  source: {type: text, path: signs}
  inputs: {text: {transforms: [{type: tokenize, level: character}, {type: pad, length: 12}]}}
model:
  layers:
    - {type: embedding, output_dim: 6, mask_zero: true}
    - {type: lstm, units: 8}
    - {type: dense, units: 2, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02, clipnorm: 1.0}
training: {epochs: 2, batch_size: 8, buckets: [3, 6], threads: 1}
"""


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_numbers(tmp_path)
    random = np.random.default_rng(1)
    (tmp_path / "signs").mkdir()
    for sign in "ab":
        lines = ["".join(random.choice(list(f"{sign}xy"), random.integers(1, 13))) for _ in range(41)]
        (tmp_path / f"signs/{sign}.txt").write_text("\n".join(lines))


def test_batches_are_of_rows_of_one_bucket_and_every_row_comes_once() -> None:
    of_row = np.random.default_rng(0).integers(0, 3, 103)
    buckets = Buckets((4, 8, 16), of_row)
    given = np.random.default_rng(1).permutation(103)
    order = buckets.order(given, 10, seed=0, epoch=0, shuffle=True)
    assert sorted(order) == list(range(103))
    assert list(order[100:]) == list(given[100:]), "the last batch isn't full: its rows are any"
    kinds = [set(of_row[order[i : i + 10]]) for i in range(0, 100, 10)]
    assert sum(len(kind) > 1 for kind in kinds) <= 2, "only where one bucket ends and the next begins"
    assert [min(kind) for kind in kinds] != sorted(min(kind) for kind in kinds), "the batches are shuffled"
    table = np.array([[10, 0, 0], [10, 1, 10]])
    assert list(buckets.of_steps(table, order)) == [max(kinds[0]), max(kinds[1])]
    assert list(order) != list(buckets.order(given, 10, seed=0, epoch=1, shuffle=True))


@pytest.mark.parametrize("text", [NUMBERS.replace(", dropout: 0.1", ""), LSTM])
def test_shorter_steps_learn_the_same(text) -> None:
    loaded = load_text(text, "test.yaml", [])
    dataset = load(loaded.config.data, 0)
    session = Session(loaded.config, loaded.layer_paths, dataset)
    trainer = Trainer(session, lambda *arguments: None, Listener())
    order = session.epoch_order(0)
    plain = Executor(session.training_plan(), 1, {**trainer.executor.data, "out/losses": np.zeros(200, np.float32)})
    plain.arenas["weights"][:] = trainer.executor.arenas["weights"]
    trainer.executor.data["order"][:] = order
    table = trainer.table
    lengths = {session.buckets.lengths[bucket] for bucket in session.buckets.of_steps(table, order)}
    assert len(lengths) > 1
    for executor in (trainer.executor, plain):
        assert executor.run(table, trainer._scalars(table)).finished
    for name in session.variables():
        np.testing.assert_allclose(trainer.executor.array(name), plain.array(name), rtol=2e-3, atol=2e-5)
    losses = trainer.executor.data["out/losses"]
    np.testing.assert_allclose(losses, plain.data["out/losses"][: len(losses)], rtol=1e-3, atol=1e-4)


def test_the_same_bits_on_any_number_of_threads_and_after_an_interruption(tmp_path, monkeypatch) -> None:
    whole = start(tmp_path, NUMBERS).run
    assert_same_runs(whole, start(tmp_path, NUMBERS, "training.threads=1").run)
    for steps in (3, 15):
        run = start_and_interrupt(monkeypatch, tmp_path, NUMBERS, steps)
        assert_same_runs(whole, go_on(run).run)


def test_a_stop_between_two_stretches_is_heard() -> None:
    loaded = load_text(NUMBERS, "test.yaml", [])
    session = Session(loaded.config, loaded.layer_paths, load(loaded.config.data, 0))
    trainer = Trainer(session, lambda *arguments: None, Listener())
    trainer.executor.data["order"][:] = session.epoch_order(0)
    outcome = trainer.executor.run(trainer.table, trainer._scalars(trainer.table), lambda done: trainer.stop("told"))
    assert outcome.stopped
    assert outcome.steps < len(trainer.table)


def test_metrics_are_those_of_validation_rows(tmp_path) -> None:
    heard = Heard()
    start(tmp_path, LSTM, "metrics=[accuracy]", "data.split={validation: 0.2}", "training.epochs=1", listener=heard)
    (result,) = heard.results
    assert "validation/accuracy" in result.row
    assert "train/accuracy" not in result.row


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.buckets=[6, 6]", "the lengths must grow"),
        ("training.buckets=[]", "at least 1"),
        ("data.inputs.text.transforms[1].padding=start", "cut off padding at the end"),
        ("data.inputs.text.transforms[1].length=1", "saves nothing"),
    ],
)
def test_what_cant_be_is_said_where_it_stands(tmp_path, override, message) -> None:
    with pytest.raises(ConfigError, match=message):
        start(tmp_path, LSTM, override)


def test_weights_that_depend_on_the_length_are_refused(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"positional_embedding_1/embeddings depends on the sequences' length"):
        start(tmp_path, NUMBERS.replace(", sequence_length: 6", ""))
    text = LINE.replace("epochs: 3", "buckets: [3], epochs: 3")
    with pytest.raises(ConfigError, match="there are no sequences of tokens"):
        start(tmp_path, text)
