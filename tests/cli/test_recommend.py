"""evaluate, recommend and predict for a network that ranks items, by the command line."""

import json

import numpy as np
import pytest

CHOICES = """
name: choices
data:
  source: {type: csv, path: choices.csv}
  inputs: {user: {transforms: [categories]}, item: {transforms: [{type: categories, unseen: extra}]}}
  negatives: {per_positive: 2}
  split: {type: leave_last_out, group: user}
model:
  layers:
    - {type: embedding, name: users, inputs: [user], output_dim: 4}
    - {type: embedding, name: items, inputs: [item], output_dim: 4}
    - {type: dot, inputs: [users, items]}
    - sigmoid
loss: binary_cross_entropy
optimizer: {type: adam, learning_rate: 0.1}
metrics: [{type: recall_at_k, k: 3}]
training: {epochs: 4, batch_size: 16}
"""


@pytest.fixture
def choices(place):
    random = np.random.default_rng(0)
    rows = [f"{user},film {item}" for user in range(1, 21) for item in random.choice(12, 6, replace=False)]
    (place.folder / "choices.csv").write_text("user,item\n" + "\n".join(rows) + "\n")
    place.call("train", place.write(CHOICES))
    return place


def test_evaluate_prints_popularity_beside_the_network(choices):
    printed = choices.call("evaluate", "latest").stdout
    header, *lines = [line.split() for line in printed.splitlines()[1:]]
    assert header == ["metric", "value", "popularity"]
    assert [line[0] for line in lines] == ["loss", "recall_at_3"]
    assert len(lines[1]) == 3
    result = json.loads(choices.call("evaluate", "latest", "--json").stdout)
    assert result["popularity"].keys() == {"recall_at_3"}


def test_recommend(choices):
    rows = json.loads(choices.call("recommend", "latest", "--user", "7", "-u", "12", "--k", "3", "--json").stdout)
    assert [(row["user"], row["rank"]) for row in rows] == [(user, rank) for user in ("7", "12") for rank in (1, 2, 3)]
    assert all(row["item"].startswith("film ") and 0 < row["score"] < 1 for row in rows)
    assert "film" in choices.call("recommend", "latest", "--user", "7").stdout
    choices.call("recommend", "latest", "-k", "2", "-o", "all.csv")
    assert len((choices.folder / "all.csv").read_text().splitlines()) == 41
    done = choices.call("recommend", "latest", "--user", "70", expect=2)
    assert "no training row has the user '70'" in done.stderr


def test_pairs_are_predicted(choices):
    (choices.folder / "pairs.csv").write_text("user,item\n7,film 3\n7,film 99\n")
    rows = json.loads(choices.call("predict", "latest", "pairs.csv", "--json").stdout)
    assert len(rows) == 2
    assert all(0 < row["probability/yes"] < 1 for row in rows)
    assert "ranks items" in choices.call("explain", "latest", expect=2).stderr
