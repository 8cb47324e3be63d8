"""Runs with several targets, and with terms that layers add: what is reported, resumed, evaluated, predicted."""

import json

import numpy as np
import pytest

from dlrun.errors import UsageError
from dlrun.layers import LAYERS
from dlrun.metrics import LOSS_TERMS, direction_of
from dlrun.runs.csv_file import write_table
from dlrun.training.evaluation import draw_evaluation, evaluate_run
from dlrun.training.explain import Options, explain_run
from dlrun.training.generation import LanguageModel
from dlrun.training.prediction import predict_rows
from tests.training.runs import assert_same_runs, go_on, interrupt, rows_of, start, start_and_interrupt

TWO = """
name: two
data:
  source: {type: csv, path: PATH}
  inputs: {features: {columns: [a, b, c]}}
  target: {kind: {column: kind}, size: {column: size, transforms: [standardize]}}
  split: {validation: 0.2, test: 0.2}
model:
  layers:
    - {type: dense, name: trunk, units: 12, activation: tanh}
    - {type: dropout, name: thinned, rate: 0.1}
    - {type: dense, name: kind, units: 3, activation: softmax}
    - {type: dense, name: width, units: 1, inputs: [thinned]}
  outputs: {size: width}
loss: {kind: cross_entropy, size: {type: mse, weight: 0.3}}
optimizer: {type: adam, learning_rate: 0.02}
metrics: {kind: [accuracy, {type: f1, average: per_class}], size: [rmse]}
training: {epochs: 3, batch_size: 16, threads: 2}
"""
VAE = """
name: vae
data: {source: digits, target: {input: image}, split: {validation: 0.2, test: 0.2}, limit: 150}
model:
  layers:
    - flatten
    - {type: dense, name: hidden, units: 20, activation: relu}
    - {type: dense, name: mean, units: 3}
    - {type: dense, name: log_variance, units: 3, inputs: [hidden]}
    - {type: variational_sampling, inputs: [mean, log_variance]}
    - {type: dense, units: 64, activation: sigmoid}
    - {type: reshape, target_shape: [8, 8, 1]}
loss: {type: binary_cross_entropy, over_outputs: sum}
optimizer: {type: adam, learning_rate: 0.01}
training: {epochs: 3, batch_size: 16, threads: 2, checkpoints: {best: {monitor: validation/kl}}}
"""
PARTS = ["kind/loss", "size/loss"]
METRICS = ["kind/accuracy", "kind/f1/x", "kind/f1/y", "kind/f1/z", "size/rmse"]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A config with two targets of a table that can be learned."""
    random = np.random.default_rng(0)
    features = random.standard_normal((160, 3))
    rows = [
        {"a": a, "b": b, "c": c, "kind": "xyz"[int(a > 0) + int(b > 0)], "size": 100 + 5 * (a - c)}
        for a, b, c in features
    ]
    path = tmp_path_factory.mktemp("table") / "table.csv"
    write_table(path, rows)
    return TWO.replace("PATH", str(path))


@pytest.fixture(scope="module")
def trained(two, tmp_path_factory):
    """A run of both targets."""
    return start(tmp_path_factory.mktemp("trained"), two, "training.epochs=20").run


def test_losses_and_metrics_are_reported_for_each_target(trained):
    row = rows_of(trained)[-1]
    for split in ("train", "validation"):
        assert [name for name in row if name.startswith(f"{split}/")] == [
            f"{split}/{name}" for name in ("loss", *PARTS, *METRICS)
        ]
        whole = row[f"{split}/kind/loss"] + 0.3 * row[f"{split}/size/loss"]
        assert row[f"{split}/loss"] == pytest.approx(whole, rel=1e-6)
    assert row["validation/kind/accuracy"] > 0.8
    assert row["validation/size/rmse"] < 3


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("kind", ["two", "vae"])
def test_threads_and_stops_change_nothing(two, tmp_path, monkeypatch, kind, threads):
    text = two if kind == "two" else VAE
    whole = start(tmp_path, text, f"training.threads={threads}").run
    run = start_and_interrupt(monkeypatch, tmp_path, text, 8)
    interrupt(monkeypatch, 5, lambda: go_on(run))
    go_on(run)
    assert_same_runs(whole, run)


def test_a_target_is_watched(two, tmp_path):
    early = "training.early_stopping={monitor: validation/kind/accuracy, patience: 1, min_delta: 2}"
    finished = start(tmp_path, two, early, "training.checkpoints.best={monitor: validation/size/loss}")
    assert finished.ending.reason == "early_stopping"
    assert len(rows_of(finished.run)) == 2
    best = min(rows_of(finished.run), key=lambda row: row["validation/size/loss"])
    assert finished.state.best == best["validation/size/loss"]


def test_evaluation_tells_what_training_told_and_draws_each_target(trained):
    evaluation = evaluate_run(trained, "validation", None)
    row = rows_of(trained)[-1]
    assert list(evaluation.metrics) == ["loss", *PARTS, *METRICS]
    assert all(evaluation.metrics[name] == row[f"validation/{name}"] for name in ("loss", *PARTS, *METRICS))
    with pytest.raises(UsageError, match="several outputs"):
        evaluation.predictions  # noqa: B018
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    assert draw_evaluation(trained, evaluation) == []
    assert {path.name for path in trained.plots.iterdir()} == {"curves.png", "confusion_matrix_kind.png"}


def test_predictions_have_columns_for_each_target(trained, tmp_path):
    write_table(tmp_path / "new.csv", [{"a": 2.0, "b": 2.0, "c": 0.0}, {"a": -2.0, "b": -2.0, "c": 1.0}])
    rows = predict_rows(trained, None, [tmp_path / "new.csv"])
    assert [row["kind/prediction"] for row in rows] == ["z", "x"]
    assert list(rows[0]) == [
        "row", "kind/prediction", "kind/probability", "kind/probability/x", "kind/probability/y", "kind/probability/z",
        "size/prediction",
    ]  # fmt: skip
    assert [row["size/prediction"] for row in rows] == pytest.approx([110, 85], abs=4)


def test_columns_are_explained_for_all_targets(trained, tmp_path):
    rows = explain_run(trained, None, Options(repeats=2), tmp_path).rows["columns"]
    found = {row["column"]: row for row in rows}
    assert found["c"]["size/rmse"] > found["b"]["size/rmse"]
    assert found["b"]["kind/accuracy"] > found["c"]["kind/accuracy"]


def test_a_command_for_one_output_refuses(trained):
    with pytest.raises(UsageError, match="no language model"):
        LanguageModel(trained)


IMAGES = """
name: images
data:
  source: {type: npz, path: PATH}
  inputs: {image: {columns: [image]}}
  target: {digit: {column: digit, kind: classes}, mean: {column: mean}}
  split: {validation: 0.2}
model:
  layers:
    - {type: flatten, name: flat}
    - {type: dense, name: digit, units: 2, activation: softmax}
    - {type: dense, name: mean, units: 1, inputs: [flat]}
loss: {digit: cross_entropy, mean: mse}
optimizer: {type: adam, learning_rate: 0.01}
training: {epochs: 2, batch_size: 16}
"""


def test_images_are_explained_by_the_output_that_is_named(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (60, 4, 4, 1)).astype(np.uint8)
    means = images.mean(axis=(1, 2, 3))
    np.savez(tmp_path / "images.npz", image=images, digit=(images[:, 0, 0, 0] > 127).astype(np.int64), mean=means)
    run = start(tmp_path / "runs", IMAGES.replace("PATH", str(tmp_path / "images.npz"))).run
    with pytest.raises(UsageError, match="which one is to be explained"):
        explain_run(run, None, Options(samples=2), tmp_path / "a")
    of_mean = explain_run(run, None, Options(samples=2, target="mean"), tmp_path / "b")
    assert [row["explained"] for row in of_mean.rows["images"]] == ["mean", "mean"]
    of_class = explain_run(run, None, Options(samples=2, target="digit/1", steps=8), tmp_path / "c")
    assert [row["explained"] for row in of_class.rows["images"]] == ["1", "1"]
    assert all(abs(row["gap"]) < 1e-4 for row in of_class.rows["images"])


def test_what_layers_add_is_reported_and_counted_in_evaluation(tmp_path):
    finished = start(tmp_path, VAE)
    rows = rows_of(finished.run)
    assert all(0 < row[f"{split}/kl"] < row[f"{split}/loss"] for row in rows for split in ("train", "validation"))
    assert finished.state.best == min(row["validation/kl"] for row in rows)
    evaluation = evaluate_run(finished.run, "validation", "last")
    assert evaluation.metrics["kl"] == rows[-1]["validation/kl"]
    truth = evaluation.split.inputs["image"] / 16.0
    shares = evaluation.predictions.astype(np.float64)
    entropy = -(truth * np.log(shares) + (1 - truth) * np.log1p(-shares)).reshape(len(truth), -1).sum(axis=1).mean()
    assert evaluation.metrics["loss"] == pytest.approx(entropy + evaluation.metrics["kl"], rel=1e-4)
    without = start(tmp_path, VAE, "model.layers[4].kl_weight=0").run
    assert all(row["train/kl"] == 0 for row in rows_of(without))


def test_every_term_of_a_layer_can_be_watched():
    terms = {layer.adds_loss for layer in LAYERS if layer.adds_loss}
    assert terms == set(LOSS_TERMS)
    assert all(direction_of(f"validation/{term}") == "min" for term in terms)
    assert direction_of("validation/digit/accuracy") == "max"
    assert direction_of("validation/digit/loss") == "min"


def test_a_plan_names_the_outputs(two):
    from dlrun.compiler.printer import summary_text
    from dlrun.config.load import load_text
    from dlrun.training.fit import compile_only

    graph, plan = compile_only(load_text(two, "two.yaml"))
    assert "outputs: kind from kind/softmax, size from width" in summary_text(graph, plan)
    assert json.dumps(graph.outputs) == '{"kind": "kind/softmax", "size": "width"}'
