"""Classes of very different sizes, categories that training never saw, several labels a row: whole runs."""

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.config.problems import LocatedConfigError
from dlrun.data.load import load
from dlrun.runs.checkpoint import load_checkpoint
from dlrun.training.evaluation import evaluate_run
from dlrun.training.fit import validate
from dlrun.training.prediction import predict_rows
from tests.training.runs import Heard, assert_same_runs, go_on, rows_of, start, start_and_interrupt

RARE = """
name: rare
data:
  source: {{type: csv, path: {path}}}
  inputs: {{x: {{columns: [x1, x2], transforms: [standardize]}}}}
  target: {{column: ill}}
  split: {{validation: 0.2, test: 0.2}}
model: {{layers: [{{type: dense, units: 8, activation: tanh}}, {{type: dense, units: 1, activation: sigmoid}}]}}
loss: binary_cross_entropy
optimizer: {{type: adam, learning_rate: 0.02}}
metrics: [recall, precision]
training: {{epochs: 3, batch_size: 16, threads: 1}}
"""


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    """A config on 600 rows of which 30 are ill, hard to tell from the others."""
    random = np.random.default_rng(0)
    ill = np.arange(600) % 20 == 0
    x = random.standard_normal((600, 2)) + 1.5 * ill[:, None]
    path = tmp_path_factory.mktemp("rare") / "rare.csv"
    rows = [f"{a:.4f},{b:.4f},{'yes' if y else 'no'}" for (a, b), y in zip(x, ill, strict=True)]
    path.write_text("x1,x2,ill\n" + "\n".join(rows) + "\n")
    return RARE.format(path=path)


def notes_of(run):
    return run.log.read_text()


def test_oversampling_finds_more_of_a_rare_class(rare, tmp_path):
    epochs = "training.epochs=6"
    plain = start(tmp_path, rare, epochs).run
    over = start(tmp_path, rare, epochs, "data.resample=oversample").run
    assert rows_of(over)[-1]["validation/recall"] > rows_of(plain)[-1]["validation/recall"] + 0.3
    assert "resampled training rows of an epoch: no 365 → 365, yes 19 → 365; 730 in all" in notes_of(over)
    assert rows_of(over)[0]["step"] == -(-730 // 16)


@pytest.mark.parametrize("method", ["oversample", "undersample", "balanced"])
def test_validation_and_test_rows_are_never_resampled(rare, tmp_path, method):
    plain, config = load_text(rare).config, load_text(rare, overrides=[f"data.resample={method}"]).config
    before, after = load(plain.data, 0), load(config.data, 0)
    for name, split in before.splits.items():
        np.testing.assert_array_equal(split.index, after.splits[name].index)
    assert before.fingerprint == after.fingerprint
    run = start(tmp_path, rare, f"data.resample={method}", "training.epochs=1").run
    assert evaluate_run(run, "test", None).split.rows == before.splits["test"].rows
    assert evaluate_run(run, "train", None).split.rows == before.splits["train"].rows


@pytest.mark.parametrize("method", ["oversample", "undersample"])
@pytest.mark.parametrize("steps", [2, 5])
def test_resumed_is_uninterrupted(rare, tmp_path, monkeypatch, method, steps):
    resample = f"data.resample={method}"
    whole = start(tmp_path, rare, resample).run
    broken = start_and_interrupt(monkeypatch, tmp_path, rare, steps, resample)
    go_on(broken)
    assert_same_runs(whole, broken)


def test_threads_don_t_matter(rare, tmp_path):
    one, two = (start(tmp_path, rare, "data.resample=balanced", f"training.threads={n}").run for n in (1, 2))
    mine, others = (load_checkpoint(run.last).tensors for run in (one, two))
    for name, tensor in mine.items():
        np.testing.assert_array_equal(tensor, others[name], err_msg=name)


def test_resampling_can_not_change_in_the_middle(rare, tmp_path):
    run = start(tmp_path, rare, "data.resample=balanced", "training.epochs=1").run
    with pytest.raises(LocatedConfigError, match="can't change in the middle of a run"):
        go_on(run, "training.epochs=2", "data.resample=undersample")


def test_balanced_class_weights_find_more_too(rare, tmp_path):
    weighted = "loss={type: binary_cross_entropy, class_weights: balanced}"
    run = start(tmp_path, rare, weighted, "training.epochs=6").run
    assert rows_of(run)[-1]["validation/recall"] > 0.5


def problems(text, *overrides):
    with pytest.raises(LocatedConfigError) as caught:
        validate(load_text(text, "test.yaml", overrides))
    return "\n".join(f"{problem.message}; {problem.help}" for problem in caught.value.problems)


def test_mistakes_are_located(rare):
    assert "unknown field 'methd'" in problems(rare, "data.resample={methd: oversample}")
    assert "'oversample', 'undersample' or 'balanced'" in problems(rare, "data.resample=upsample")
    numbers = ("data.target={column: x1}", "loss=mse", "metrics=[]", "data.inputs.x.columns=[x2]")
    shown = problems(rare + "\n", *numbers, "data.resample=oversample")
    assert "resampling needs a target of classes" in shown
    shown = problems(rare, "loss={type: binary_cross_entropy, class_weights: {maybe: 2}}")
    assert "no class 'maybe'" in shown


CITY = """
name: city
data:
  source: {{type: csv, path: {path}}}
  inputs:
    city: {{columns: [city], transforms: [{{type: categories{categories}}}]}}
    kind: {{columns: [kind], transforms: [{{type: one_hot{one_hot}}}]}}
    shop: {{columns: [shop], transforms: [one_hot]}}
  target: {{column: price}}
  split: {{type: chronological, validation: 10, test: 10}}
model:
  layers:
    - {{type: embedding, name: place, inputs: [city], output_dim: 4}}
    - {{type: concatenate, inputs: [place, kind, shop]}}
    - {{type: dense, units: 1}}
loss: mse
optimizer: {{type: adam, learning_rate: 0.05}}
training: {{epochs: 2, batch_size: 10, threads: 1}}
"""


def city_file(path, rows):
    path.write_text("city,kind,shop,price\n" + "".join(f"{c},{k},{s},{p}\n" for c, k, s, p in rows))
    return path


@pytest.fixture(scope="module")
def cities(tmp_path_factory):
    """60 training rows of three cities; the validation and test rows have a fourth."""
    random = np.random.default_rng(0)
    rows = [(("Bonn", "Cork", "Lyon")[i % 3], "ab"[i % 2], i % 4, f"{random.normal(i % 3):.3f}") for i in range(60)]
    rows += [("Oslo", "c", 9, "5.0"), *rows[:9], ("Rome", "a", 1, "2.0"), *rows[:9]]
    return city_file(tmp_path_factory.mktemp("city") / "city.csv", rows)


def test_unseen_categories_end_to_end(cities, tmp_path):
    run = start(tmp_path, CITY.format(path=cities, categories=", unseen: extra", one_hot="")).run
    assert np.isfinite(rows_of(run)[-1]["validation/loss"])
    assert np.isfinite(evaluate_run(run, "test", None).metrics["loss"])
    new = city_file(tmp_path / "new.csv", [("Kyiv", "z", 7, 0), ("Nice", "y", 8, 0), ("Bonn", "a", 0, 0)])
    found = [row["prediction"] for row in predict_rows(run, None, [new])]
    assert found[0] == found[1] != found[2], "what was never seen is all the same to the network"
    vectors = load_checkpoint(run.last).tensors["model/place/embeddings"]
    assert vectors.shape == (4, 4), "three cities, and one vector for all others"


def test_unseen_categories_are_refused_unless_they_are_allowed(cities, tmp_path):
    from dlrun.errors import DataError

    strict = CITY.format(path=cities, categories="", one_hot="")
    with pytest.raises(DataError, match="column 'city' holds 'Oslo', which no training row does") as caught:
        start(tmp_path, strict)
    assert "`unseen:`" in caught.value.help
    known = city_file(tmp_path / "known.csv", [("Bonn", "a", i % 3, i + 0.5) for i in range(40)])
    run = start(tmp_path, CITY.format(path=known, categories="", one_hot=", unseen: error")).run
    for row, message in ((("Rome", "a", 0, 0), "'Rome'"), (("Bonn", "c", 0, 0), "'kind' holds 'c'")):
        with pytest.raises(DataError, match=message):
            predict_rows(run, None, [city_file(tmp_path / "new.csv", [row])])


TAGS = """
name: tags
data:
  source: {{type: csv, path: {path}}}
  inputs: {{x: {{columns: [x1, x2, x3], transforms: [standardize]}}}}
  target: {{columns: [red, large, rare]}}
  split: {{validation: 0.2, test: 0.2}}
model: {{layers: [{{type: dense, units: 16, activation: relu}}, {{type: dense, units: 3, activation: sigmoid}}]}}
loss: {{type: binary_cross_entropy, positive_weight: {{rare: 5}}}}
optimizer: {{type: adam, learning_rate: 0.02}}
metrics: [accuracy, {{type: f1, average: per_class}}, {{type: auc}}]
training: {{epochs: 8, batch_size: 16, threads: 1}}
"""


def test_several_labels_a_row_end_to_end(tmp_path):
    random = np.random.default_rng(0)
    x = random.standard_normal((500, 3))
    labels = np.stack([x[:, 0] > 0, x[:, 1] > 0.5, x[:, 2] > 1.3], axis=1).astype(int)
    path = tmp_path / "tags.csv"
    both = np.concatenate([x, labels], axis=1)
    path.write_text("x1,x2,x3,red,large,rare\n" + "".join(",".join(f"{v:g}" for v in row) + "\n" for row in both))
    run = start(tmp_path, TAGS.format(path=path)).run
    row = rows_of(run)[-1]
    assert row["validation/f1/red"] > 0.9
    assert row["validation/f1/large"] > 0.8
    assert row["validation/f1/rare"] > 0.5
    evaluation = evaluate_run(run, "test", None)
    assert {"f1/red", "f1/large", "f1/rare", "accuracy", "auc"} <= evaluation.metrics.keys()
    balanced = start(
        tmp_path,
        TAGS.format(path=path),
        "loss.positive_weight=balanced",
        "metrics=[{type: recall, average: per_class}]",
    ).run
    assert rows_of(balanced)[-1]["validation/recall/rare"] > 0.7
    found = predict_rows(run, None, [path])
    assert found[0].keys() == {"row", "red", "large", "rare"}
    said = np.array([[row[name] for name in ("red", "large", "rare")] for row in found]) > 0.5
    assert (said == labels).mean() > 0.9


def test_metrics_and_weights_of_labels_that_are_wrong_are_located(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text("x1,x2,x3,red,large,rare\n" + "1,2,3,0,1,0\n2,3,5,1,0,1\n" * 10)
    text = TAGS.format(path=path)
    shown = problems(text, "loss.positive_weight={rere: 5}")
    assert "the target has no label 'rere'" in shown
    assert "positive_weight" in shown
    shown = problems(text, "model.layers[1].units=2")
    assert "'target' has shape (3,)" in shown
    path.write_text(path.read_text().replace("1,0,1", "1,0,2"))
    assert "several columns of nothing but 0 and 1 hold labels" in problems(text, "seed=1")
    assert "resampling needs a target of classes" in problems(text, "data.resample=oversample")


def test_what_was_heard(rare, tmp_path):
    heard = Heard()
    start(tmp_path, rare, "data.resample={method: undersample, ratio: 0.5}", "training.epochs=1", listener=heard)
    assert heard.results[0].row["step"] == -(-(19 + 38) // 16)
