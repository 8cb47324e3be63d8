"""What `dlrun evaluate` tells by the kind of the target, against scikit-learn."""

import numpy as np
import pytest

from dlrun.training.evaluation import evaluate_run
from tests.training.runs import LINE, MIXED, start

LANGUAGE = """
name: language
data:
  source: {type: text, path: PATH, stream: true, length: 8}
  inputs: {text: {transforms: [{type: tokenize, level: character}]}}
  target: {input: text, shift: 1}
  split: {validation: 0.3}
model: {layers: [{type: embedding, output_dim: 6}, {type: dense, units: 9, activation: softmax}]}
loss: cross_entropy
optimizer: adam
training: {epochs: 1, batch_size: 16, threads: 1}
"""


def report_of(finished, split="test"):
    evaluation = evaluate_run(finished.run, split, None)
    (report,) = evaluation.reports
    return evaluation, report


def test_classes_are_reported_as_by_scikit_learn(tmp_path):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is in the extra sklearn")
    evaluation, report = report_of(start(tmp_path, MIXED))
    truth, decided = evaluation.split.targets["target"], evaluation.predictions.argmax(axis=1)
    names = [str(digit) for digit in range(10)]
    wanted = metrics.classification_report(
        truth, decided, labels=range(10), target_names=names, output_dict=True, zero_division=0
    )
    assert [row["class"] for row in report.classes] == names
    for row in (*report.classes, *report.averages):
        expected = wanted[row["class"].replace(" average", " avg")]
        found = [row["precision"], row["recall"], row["f1"], row["rows"]]
        assert found == pytest.approx([expected[key] for key in ("precision", "recall", "f1-score", "support")])
    assert report.measures["accuracy"] == pytest.approx(metrics.accuracy_score(truth, decided))
    assert set(evaluation.to_json()["report"]["target"]) == {"measures", "classes", "averages"}


def test_numbers_are_reported_in_their_units(tmp_path):
    text = LINE.replace("{column: y}", "{column: y, transforms: [standardize]}").replace(
        "noise: 0.1}", "noise: 0.1}\n  split: {test: 0.3}"
    )
    evaluation, report = report_of(start(tmp_path, text))
    truth = evaluation.target.to_units(evaluation.split.targets["target"])
    error = evaluation.target.to_units(evaluation.predictions[:, 0]) - truth
    assert report.measures["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert report.measures["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert report.classes == ()


def test_language_models_report_perplexity(tmp_path):
    (tmp_path / "text.txt").write_text("abcdefg" * 60)
    evaluation, report = report_of(start(tmp_path, LANGUAGE.replace("PATH", str(tmp_path / "text.txt"))), "validation")
    assert report.measures["perplexity"] == pytest.approx(np.exp(evaluation.metrics["loss"]), rel=1e-5)
    assert 0 <= report.measures["accuracy"] <= 1
