"""Networks whose layers share weights, as runs: kept once, resumed to the bit, used and explained like others."""

import numpy as np
import pytest

from dlrun.compiler.printer import layer_rows
from dlrun.config.load import load_text
from dlrun.config.problems import LocatedConfigError
from dlrun.runs.checkpoint import load_checkpoint
from dlrun.training.evaluation import evaluate_run
from dlrun.training.explain import Options, explain_run
from dlrun.training.fit import compile_only
from dlrun.training.generation import LanguageModel, Sampling
from tests.training.runs import assert_same_runs, go_on, rows_of, start, start_and_interrupt

TIED = """
name: tied
data:
  source: {type: text, path: s.txt, stream: true, length: 8, stride: 4}
  inputs: {text: {transforms: [{type: tokenize, level: character}]}}
  target: {input: text, shift: 1}
  split: {validation: 0.3}
model:
  layers:
    - {type: embedding, name: characters, output_dim: 12}
    - {type: gru, units: 12, return_sequences: true}
    - {type: output_embedding, embedding: characters, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.02}
metrics: [accuracy]
training: {epochs: 5, batch_size: 16, threads: 2}
"""

TWICE = """
name: twice
data:
  source: {type: csv, path: t.csv}
  inputs: {text: {columns: [text], transforms: [{type: tokenize, level: word}, {type: pad, length: 3}]}}
  target: {column: mood}
  split: {test: 0.25}
model:
  layers:
    - {type: embedding, name: words, output_dim: 5}
    - {type: shared, name: again, layer: words, inputs: [text]}
    - {type: multiply, inputs: [words, again]}
    - global_average_pool1d
    - {type: dense, units: 1, activation: sigmoid}
loss: binary_cross_entropy
optimizer: {type: adam, learning_rate: 0.05}
training: {epochs: 3, batch_size: 8, threads: 1}
"""


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.txt").write_text("abcd " * 300)
    (tmp_path / "t.csv").write_text("text,mood\n" + "a happy dog,good\nan angry cat,bad\n" * 20)


def test_a_tied_language_model_is_learned_kept_once_and_goes_on(tmp_path, monkeypatch):
    run = start(tmp_path, TIED).run
    assert rows_of(run)[-1]["validation/accuracy"] > 0.95
    names = [name for name in load_checkpoint(run.last).tensors if "embedding" in name or "characters" in name]
    assert sorted(name for name in names if name.startswith("model/")) == [
        "model/characters/embeddings", "model/output_embedding_1/bias"
    ]  # fmt: skip
    model = LanguageModel(run)
    assert "".join(model.generate(model.encode("cd ab")[0], 12, Sampling(temperature=0), 0)) == "cd abcd abcd"
    assert evaluate_run(run, "validation", None).metrics["accuracy"] > 0.95
    interrupted = start_and_interrupt(monkeypatch, tmp_path, TIED, 30)
    go_on(interrupted)
    assert_same_runs(interrupted, run)
    one = start(tmp_path, TIED, "training.threads=1").run
    assert_same_runs(one, run)


def test_plans_count_the_weights_once():
    graph, plan = compile_only(load_text(TIED, "test.yaml"))
    rows = {row["layer"]: row["parameters"] for row in layer_rows(graph)}
    assert (rows["characters"], rows["output_embedding_1"]) == (7 * 12, 7)
    assert [buffer.name for buffer in plan.region("weights") if "embedding" in buffer.name] == [
        "characters/embeddings", "output_embedding_1/bias"
    ]  # fmt: skip
    assert len([buffer for buffer in plan.region("optimizer") if "characters" in buffer.name]) == 2


def test_both_places_of_a_shared_embedding_are_explained(tmp_path):
    run = start(tmp_path, TWICE, "precision=float64").run
    found = explain_run(run, None, Options(steps=400), tmp_path)
    assert len(found.rows["texts"]) == 10
    assert max(abs(sample["gap"]) for sample in found.rows["texts"]) < 1e-5
    assert any(abs(sample["score"] - sample["baseline"]) > 1e-3 for sample in found.rows["texts"])


def test_a_repeat_renames_what_it_shares():
    block = "{type: repeat, times: 2, layers: [{type: dense, name: d, units: 5}, {type: shared, layer: d}]}"
    graph, _ = compile_only(load_text(TWICE.replace("- global_average_pool1d", f"- {block}\n    - flatten"), "t.yaml"))
    assert graph.nodes["shared_1"].owned("kernel").name == "d_1/kernel"
    assert graph.nodes["shared_2"].owned("kernel").name == "d_2/kernel"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("layer: word,", r"layers\[1\].layer: no layer is named 'word'"),
        ("layer: again,", r"layers\[1\].layer: the layer 'again' doesn't come before this one"),
        ("layer: dense_1,", r"layers\[1\].layer: the layer 'dense_1' doesn't come before this one"),
    ],
)
def test_references_that_meet_nothing_are_located(change, message):
    with pytest.raises(LocatedConfigError, match=message):
        load_text(TWICE.replace("layer: words,", change), "t.yaml")


def test_pretrained_vectors_may_be_shared(tmp_path):
    np.save(tmp_path / "v.npy", np.arange(35, dtype=float).reshape(7, 5))
    (tmp_path / "t.csv").write_text("text,mood\n" + "a b c,good\nd e a,bad\n" * 20)
    text = TWICE.replace("output_dim: 5", "output_dim: 5, weights: v.npy, trainable: false")
    tensors = load_checkpoint(start(tmp_path, text).run.last).tensors
    assert tensors["model/words/embeddings"].ravel().tolist() == list(range(35))
