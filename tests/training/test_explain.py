"""Explanations hold to their axioms, and to what plain computation gives."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from dlrun.data.random import permutation
from dlrun.errors import UsageError
from dlrun.training.attribution import Attributor
from dlrun.training.checkpointing import open_checkpoint
from dlrun.training.evaluation import evaluate_run
from dlrun.training.explain import Options, explain_run
from dlrun.training.run_data import own_data
from dlrun.training.session import network_layers
from tests.data.making import write_csv
from tests.training.runs import start

IMAGES = """
name: images
precision: float64
data: {source: digits, split: {validation: 0.2, test: 0.1}, limit: 100}
model:
  layers:
    - {type: conv2d, filters: 4, kernel_size: 3}
    - batch_normalization
    - tanh
    - {type: average_pool2d, pool_size: 2}
    - flatten
    - {type: dropout, rate: 0.3}
    - {type: dense, units: 10, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.01}
training: {epochs: 3, batch_size: 16, threads: 2}
"""
TEXTS = """
name: texts
precision: float64
data:
  source: {type: csv, path: PATH}
  inputs: {text: {columns: [text], transforms: [{type: tokenize, level: word}, {type: pad, length: 6}]}}
  target: {column: mood}
  split: {test: 0.25}
model:
  layers:
    - {type: embedding, name: words, output_dim: 5, mask_zero: true}
    - {type: lstm, units: 4}
    - {type: dense, units: 1, activation: sigmoid}
loss: binary_cross_entropy
optimizer: {type: adam, learning_rate: 0.05}
metrics: [accuracy]
training: {epochs: 12, batch_size: 8, threads: 1}
"""
TABLE = """
name: table
data:
  source: {type: csv, path: PATH}
  inputs:
    numbers: {columns: [a, b], transforms: [{type: impute, strategy: median}, standardize]}
    city: {columns: [city], transforms: [one_hot]}
  target: {column: y}
  split: {test: 0.4}
model:
  layers:
    - {type: concatenate, inputs: [numbers, city]}
    - {type: dense, units: 1}
loss: mse
optimizer: {type: adam, learning_rate: 0.1}
metrics: [r2]
training: {epochs: 20, batch_size: 16, threads: 1}
"""
MOODS = {"happy": "good", "glad": "good", "merry": "good", "angry": "bad", "gloomy": "bad", "upset": "bad"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return start(tmp_path_factory.mktemp("images"), IMAGES).run


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("texts"), np.random.default_rng(0)
    words = random.choice(list(MOODS), 80)
    fillers = random.choice(["the", "dog", "was", "cat", "here"], (80, 4))
    lines = [
        " ".join([*filler[: 1 + row % 4], str(word)])
        for row, (filler, word) in enumerate(zip(fillers, words, strict=True))
    ]
    write_csv(folder / "texts.csv", {"text": lines, "mood": [MOODS[str(word)] for word in words]})
    return start(folder, TEXTS.replace("PATH", str(folder / "texts.csv"))).run


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("table"), np.random.default_rng(0)
    a, b = random.normal(size=(2, 150))
    city = random.choice(["Rome", "Oslo", "Lima"], 150)
    y = 3 * a + (city == "Oslo") + 0.01 * random.normal(size=150)
    columns = {"a": [None if i % 10 == 0 else v for i, v in enumerate(a.tolist())], "b": b.tolist()}
    write_csv(folder / "rows.csv", {**columns, "city": city.tolist(), "y": y.tolist()})
    return start(folder, TABLE.replace("PATH", str(folder / "rows.csv"))).run


def trained(run):
    restored = open_checkpoint(run, None)
    dataset = own_data(restored)
    rows = dataset.splits["test"]
    return restored.predictor(rows, dataset), rows


def test_gradients_are_central_differences_of_the_logits(images):
    session, rows = trained(images)
    attributor = Attributor(session, network_layers(session.config))
    feature = session.dataset.signature.inputs["image"]
    x = rows.inputs["image"] * np.float64(feature.scale[0]) + feature.offset[0]
    weights = np.random.default_rng(0).normal(size=(rows.rows, 10))
    logits, gradients = attributor.run({"image": x}, weights)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(shares / shares.sum(axis=1, keepdims=True), session.predict(rows), rtol=1e-9)
    for place in [(2, 3, 0), (5, 5, 0), (0, 7, 0)]:
        step = np.zeros(x.shape[1:])
        step[place] = 1e-6
        change = attributor.run({"image": x + step})[0] - attributor.run({"image": x - step})[0]
        numeric = (weights * change).sum(axis=1) / 2e-6
        np.testing.assert_allclose(gradients["image"][:, *place], numeric, rtol=1e-5, atol=1e-7)


def test_the_parts_sum_to_the_scores_difference_from_the_baseline(images, tmp_path):
    rows = explain_run(images, None, Options(samples=5, steps=400), tmp_path).rows["images"]
    assert len(rows) == 5
    for row in rows:
        assert abs(row["gap"]) < 0.002 * max(1.0, abs(row["score"] - row["baseline"]))
        assert row["said"] == row["explained"]
    coarse = explain_run(images, None, Options(samples=5, steps=2), tmp_path).rows["images"]
    assert max(abs(row["gap"]) for row in coarse) > max(abs(row["gap"]) for row in rows)


def test_the_files_of_images_hold_the_same_numbers(images, tmp_path):
    found = explain_run(images, None, Options(samples=3), tmp_path)
    assert {file.name for file in found.files} == {"images.npz", "images.png", "images.csv"}
    with np.load(tmp_path / "images.npz") as arrays:
        assert arrays["saliency"].shape == (3, 8, 8)
        assert arrays["saliency"].min() >= 0
        total = arrays["integrated_gradients"].reshape(3, -1).sum(axis=1)
        gaps = total - (arrays["scores"] - arrays["baseline_scores"])
    np.testing.assert_allclose(gaps, [row["gap"] for row in found.rows["images"]], atol=1e-12)


def test_another_class_can_be_asked_for(images, tmp_path):
    rows = explain_run(images, None, Options(samples=4, target="7"), tmp_path).rows["images"]
    assert {row["explained"] for row in rows} == {"7"}
    with pytest.raises(UsageError, match="no 'seven' to explain"):
        explain_run(images, None, Options(target="seven"), tmp_path)


def test_a_network_on_vectors_says_what_it_says_of_the_ids(texts):
    session, rows = trained(texts)
    attributor = Attributor(session, network_layers(session.config), ["text"])
    assert attributor.embeddings == {"words": "text"}
    logits, _ = attributor.run(attributor.embed(dict(rows.inputs)))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), session.predict(rows), rtol=1e-9)


def test_tokens_parts_sum_up_and_the_telling_word_has_the_largest(texts, tmp_path):
    found = explain_run(texts, None, Options(steps=200), tmp_path)
    with open(tmp_path / "tokens.csv", encoding="utf-8") as file:
        tokens = list(csv.DictReader(file))
    telling = 0
    for sample in found.rows["texts"]:
        parts = {entry["token"]: float(entry["contribution"]) for entry in tokens if int(entry["row"]) == sample["row"]}
        total = sum(float(entry["contribution"]) for entry in tokens if int(entry["row"]) == sample["row"])
        assert sample["padding"] == 0  # the mask leaves padding out
        assert total - sample["gap"] == pytest.approx(sample["score"] - sample["baseline"], abs=1e-9)
        assert abs(sample["gap"]) < 1e-3
        telling += max(parts, key=lambda token: abs(parts[token])) in MOODS
    assert telling >= 0.9 * len(found.rows["texts"])
    page = (tmp_path / "texts.html").read_text(encoding="utf-8")
    assert all(word in page for word in ("happy", "gloomy", "rgba(214,64,50,1.00)"))


def test_importance_is_the_loss_of_a_file_with_the_column_shuffled(table, tmp_path):
    found = explain_run(table, None, Options(repeats=2), tmp_path)
    session, rows = trained(table)
    columns = {name: [] for name in ("a", "b", "city", "y")}
    with open(session.config.data.source.path, encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    base = evaluate_run(table, "test", None).metrics
    assert found.rows["measures"] == [base]
    importance = {row["column"]: row for row in found.rows["columns"]}
    for name in ("a", "city"):
        increases = []
        for repeat in range(2):
            order = permutation(rows.rows, 0, f"explain/{name}/{repeat}")
            for column in columns:
                values = [lines[index][column] or None for index in rows.index]
                columns[column] = [values[i] for i in order] if column == name else values
            write_csv(tmp_path / "shuffled.csv", columns)
            increases.append(
                evaluate_run(table, "test", None, tmp_path / "shuffled.csv").metrics["loss"] - base["loss"]
            )
        assert importance[name]["loss"] == pytest.approx(np.mean(increases), rel=1e-5)
        assert importance[name]["loss ±"] == pytest.approx(np.std(increases, ddof=1), rel=1e-4)


def test_what_matters_comes_first_and_more_is_more_important(table, tmp_path):
    rows = explain_run(table, None, Options(), tmp_path).rows["columns"]
    assert [row["column"] for row in rows][:2] == ["a", "city"]
    assert rows[0]["loss"] > rows[1]["loss"] > abs(rows[2]["loss"])
    assert rows[0]["r2"] > rows[1]["r2"] > 0
    assert (tmp_path / "columns.png").exists()
    again = explain_run(table, None, Options(), tmp_path).rows["columns"]
    assert again == rows


def test_what_has_no_name_is_refused(tmp_path):
    text = IMAGES.replace("split:", "target: {input: image}, split:").replace("cross_entropy", "mse")
    text = text.replace("units: 10, activation: softmax}", "units: 64}\n    - {type: reshape, target_shape: [8, 8, 1]}")
    run = start(tmp_path, text, "training.epochs=1").run
    with pytest.raises(UsageError, match="none has a name"):
        explain_run(run, None, Options(), tmp_path / "out")
