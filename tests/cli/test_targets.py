"""The commands on a network with two targets."""

import json

import numpy as np
import pytest

from tests.data.making import write_csv

TWO = """
name: two
data:
  source: {type: csv, path: rows.csv}
  inputs: {x: {columns: [a, b]}}
  target: {kind: {column: kind}, sum: {column: sum}}
  split: {validation: 0.2, test: 0.2}
model:
  layers:
    - {type: dense, name: trunk, units: 8, activation: tanh}
    - {type: dense, name: kind, units: 2, activation: softmax}
    - {type: dense, name: sum, units: 1, inputs: [trunk]}
loss: {kind: cross_entropy, sum: {type: mse, weight: 0.5}}
optimizer: {type: adam, learning_rate: 0.05}
metrics: {kind: [accuracy], sum: [mae]}
training: {epochs: 6, batch_size: 16, threads: 1}
"""
MEASURES = ["loss", "kind/loss", "sum/loss", "kind/accuracy", "sum/mae"]


@pytest.fixture
def two(place):
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 120))
    columns = {
        "a": a.tolist(),
        "b": b.tolist(),
        "kind": np.where(a > b, "up", "down").tolist(),
        "sum": (a + b).tolist(),
    }
    write_csv(place.folder / "rows.csv", columns)
    place.write(TWO, "two.yaml")
    return place


def of(place, *arguments):
    return json.loads(place.call(*arguments, "--json").stdout)


def test_train_evaluate_predict_explain_and_cross_validate(two):
    shown = two.call("train", "two.yaml", "training.epochs=30").stdout
    assert "validation/kind/accuracy" in shown
    assert "outputs: kind from kind/softmax, sum from sum" in two.call("plan", "two.yaml").stdout
    assert of(two, "check", "two.yaml")["passed"]
    evaluation = of(two, "evaluate", "two-1")["metrics"]
    assert list(evaluation) == MEASURES
    assert evaluation["kind/accuracy"] > 0.7
    write_csv(two.folder / "new.csv", {"a": [2.0, -1.0], "b": [-1.0, 1.0]})
    rows = of(two, "predict", "two-1", "new.csv")
    assert [row["kind/prediction"] for row in rows] == ["up", "down"]
    assert rows[0]["sum/prediction"] > rows[1]["sum/prediction"]
    two.call("predict", "two-1", "new.csv", "--output", "out.csv")
    header = (two.folder / "out.csv").read_text().splitlines()[0]
    assert header.startswith("row,kind/prediction,kind/probability,kind/probability/down")
    columns = of(two, "explain", "two-1", "--repeats", "2")["columns"]
    assert {row["column"] for row in columns} == {"a", "b"}
    folds = of(two, "cross-validate", "two.yaml", "--folds", "2", "training.epochs=1")
    assert list(folds["mean"]) == MEASURES
    assert of(two, "profile", "two.yaml", "--steps", "5")["steps"] == 5


def test_it_draws_a_confusion_matrix_for_each_target_of_classes(two):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    two.call("train", "two.yaml", "training.epochs=1")
    two.call("evaluate", "two-1")
    assert {file.name for file in (two.runs / "two-1" / "plots").iterdir()} == {
        "curves.png", "confusion_matrix_kind.png"
    }  # fmt: skip


MISTAKES = {
    "loss=mse": "there are several targets (kind, sum): each needs its own loss",
    "loss={kind: cross_entropy}": "the target 'sum' has no loss",
    "loss={kind: cross_entropy, sum: mse, su: mse}": "the data have no target 'su'",
    "metrics=[accuracy]": "there are several targets (kind, sum): each has metrics of its own",
    "metrics.su=[mae]": "the data have no target 'su'",
    "metrics.kind=[mae]": "mae measures numbers",
    "model.outputs={sum: trunc}": "no layer is named 'trunc'",
    "training.early_stopping={monitor: validation/sum/accuracy}": "nothing is measured under the name",
    "loss.sum.weight=0": "must be greater than 0",
    "loss.sum=cross_entropy": "cross_entropy needs",
}


@pytest.mark.parametrize("change", MISTAKES)
def test_mistakes_are_told_with_their_place(two, change):
    failed = two.call("validate", "two.yaml", change, expect=2)
    assert MISTAKES[change] in failed.stderr
    assert ":" in failed.stderr.splitlines()[0].partition(": error: ")[0]
