"""Networks that rank items for users: whole runs."""

import json
from itertools import pairwise

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.config.problems import LocatedConfigError
from dlrun.data.load import load
from dlrun.data.negatives import positives
from dlrun.errors import UsageError
from dlrun.training.check import check_network
from dlrun.training.evaluation import evaluate_run
from dlrun.training.fit import validate
from dlrun.training.recommending import recommend
from tests.training.runs import assert_same_runs, content_of, go_on, rows_of, start, start_and_interrupt

USERS, ITEMS = 40, 30
TASTE = """
name: taste
data:
  source: {{type: csv, path: {path}}}
  inputs:
    user: {{columns: [user], transforms: [categories]}}
    item: {{columns: [item], transforms: [{{type: categories, unseen: extra}}]}}
  negatives: {{per_positive: 3}}
  split: {{type: leave_last_out, group: user, sort_by: time, validation: 1}}
model:
  layers:
    - {{type: embedding, name: users, inputs: [user], output_dim: 6}}
    - {{type: embedding, name: items, inputs: [item], output_dim: 6}}
    - {{type: dot, inputs: [users, items]}}
    - sigmoid
loss: binary_cross_entropy
optimizer: {{type: adam, learning_rate: 0.03}}
metrics: [accuracy, {{type: recall_at_k, k: 5}}, {{type: ndcg_at_k, k: 5}}]
training: {{epochs: 3, batch_size: 32, threads: 1}}
"""
NUMBERS = "data.target={column: time, kind: numbers}"
BPR = ("loss=bpr", "metrics=[{type: recall_at_k, k: 5}]")


@pytest.fixture(scope="module")
def taste(tmp_path_factory):
    """A config on users of whom each takes 8 of the 15 items of their kind."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("taste") / "taste.csv"
    rows = [
        f"u{user},i{2 * item + user % 2},{time}"
        for user in range(USERS)
        for time, item in enumerate(random.choice(ITEMS // 2, 8, replace=False))
    ]
    path.write_text("user,item,time\n" + "\n".join(rows) + "\n")
    return TASTE.format(path=path)


@pytest.fixture(scope="module")
def trained(taste, tmp_path_factory):
    return start(tmp_path_factory.mktemp("run"), taste, "training.epochs=30").run


def test_rankings_find_what_popularity_does_not(trained):
    evaluation = evaluate_run(trained, "test", None)
    assert evaluation.metrics["recall_at_5"] > 1.5 * evaluation.baseline["recall_at_5"]
    assert evaluation.metrics["ndcg_at_5"] > 1.5 * evaluation.baseline["ndcg_at_5"]
    assert rows_of(trained)[-1]["validation/recall_at_5"] > 0.4
    assert evaluation.to_json()["popularity"].keys() == {"recall_at_5", "ndcg_at_5"}


def test_measures_are_those_of_plain_loops(trained):
    loaded = load_text((trained.path / "config.yaml").read_text())
    dataset = load(loaded.config.data, 0)
    parts = {name: positives(split, loaded.config.data.negatives).inputs for name, split in dataset.splits.items()}
    tensors, _ = content_of(trained.last)
    scores = tensors["model/users/embeddings"] @ tensors["model/items/embeddings"].T
    known = len(dataset.signature.inputs["item"].classes) - 1
    popularity = np.bincount(parts["train"]["item"], minlength=known)
    evaluation = evaluate_run(trained, "test", "last")
    for found, ranking in ((evaluation.metrics, scores), (evaluation.baseline, np.tile(popularity, (USERS, 1)))):
        recall, gain = 0.0, 0.0
        for user, item in zip(parts["test"]["user"], parts["test"]["item"], strict=True):
            seen = set(parts["train"]["item"][parts["train"]["user"] == user])
            best = sorted((i for i in range(known) if i not in seen), key=lambda i: (-ranking[user, i], i))[:5]
            recall += item in best
            gain += 1 / np.log2(best.index(item) + 2) if item in best else 0
        assert found["recall_at_5"] == pytest.approx(recall / USERS)
        assert found["ndcg_at_5"] == pytest.approx(gain / USERS)


@pytest.mark.parametrize("overrides", [(), BPR], ids=["binary_cross_entropy", "bpr"])
def test_threads_and_interruptions_leave_no_trace(taste, tmp_path, monkeypatch, overrides):
    whole = start(tmp_path / "whole", taste, *overrides).run
    other = start(tmp_path / "other", taste, *overrides, "training.threads=2").run
    cut = start_and_interrupt(monkeypatch, tmp_path / "cut", taste, 37, *overrides)
    go_on(cut)
    assert_same_runs(whole, cut, ("last",))
    assert rows_of(whole) == rows_of(other)


def test_bpr_learns_the_same_taste(taste, tmp_path):
    run = start(tmp_path, taste, *BPR, "training.epochs=30").run
    evaluation = evaluate_run(run, "test", None)
    assert evaluation.metrics["recall_at_5"] > 1.5 * evaluation.baseline["recall_at_5"]


def test_recommendations_are_new_and_in_order(trained):
    loaded = load_text((trained.path / "config.yaml").read_text())
    rows = recommend(trained, None, ["u3", "u10"], 4)
    assert [(row["user"], row["rank"]) for row in rows] == [(u, r) for u in ("u3", "u10") for r in (1, 2, 3, 4)]
    dataset = load(loaded.config.data, 0)
    users, items = (dataset.signature.inputs[name].classes for name in ("user", "item"))
    taken = {
        (users[user], items[item])
        for split in dataset.splits.values()
        for user, item in zip(*positives(split, loaded.config.data.negatives).inputs.values(), strict=True)
    }
    for row, following in pairwise(rows):
        assert (row["user"], row["item"]) not in taken
        assert row["user"] != following["user"] or row["score"] >= following["score"]
    assert {int(row["item"][1:]) % 2 for row in rows[:3]} == {1}, "of the user's kind"
    assert len(recommend(trained, "last", [], 2)) == 2 * USERS
    json.dumps(rows)


def test_what_cannot_be_recommended_or_measured(trained, tmp_path):
    with pytest.raises(UsageError, match="no training row has the user 'u99'"):
        recommend(trained, None, ["u99"], 4)
    (tmp_path / "more.csv").write_text("user,item,time\nu1,i1,9\n")
    with pytest.raises(UsageError, match="ranked on the run's own splits"):
        evaluate_run(trained, "test", None, tmp_path / "more.csv")


@pytest.mark.parametrize(
    ("overrides", "place", "message"),
    [
        (("loss=bpr", "training.batch_size=30"), "training.batch_size=30", "bpr takes groups of 4 rows together"),
        (("data.negatives=null", NUMBERS, "loss=bpr"), "loss=bpr", "which 'target' doesn't say"),
        (("data.negatives=null", NUMBERS, "loss=mse", "metrics=[recall_at_k]"), "recall_at_k", "asks for"),
        (("training.early_stopping={monitor: train/recall_at_5}",), "early_stopping", "validation and test rows only"),
        (("model.layers[2]={type: concatenate, inputs: [users, items]}", "loss=bpr"), "loss=bpr", "one score a row"),
        (("data.negatives.items=3",), "data.negatives.items", "items"),
    ],
)
def test_misuse_is_said_at_its_place(taste, overrides, place, message):
    with pytest.raises(LocatedConfigError) as caught:
        validate(load_text(taste, "taste.yaml", overrides))
    text = caught.value.render()
    assert place in text
    assert message in text


def test_the_gradient_check_takes_whole_groups(taste):
    loaded = load_text(taste, overrides=["loss=bpr", "data.negatives.per_positive=29", "training.batch_size=30"])
    result = check_network(loaded)
    assert result.passed
    assert any(row["largest relative error"] > 0 for row in result.gradient_rows())


def test_training_rows_are_not_ranked(trained):
    evaluation = evaluate_run(trained, "train", None)
    assert evaluation.metrics.keys() == {"loss", "accuracy"}
    assert not evaluation.baseline
