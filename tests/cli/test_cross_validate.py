"""dlrun cross-validate: folds as runs that other commands know, stopped and gone on with."""

import json
import signal

import numpy as np
import pytest

from dlrun.runs.directory import RunDirectory
from dlrun.runs.folds import read_cross_validation
from dlrun.runs.record import read_record
from tests.cli.commands import LONG, wait_until
from tests.data.making import write_csv
from tests.training.runs import assert_same_runs

TABLE = """
name: table
data:
  source: {type: csv, path: rows.csv}
  inputs: {x: {columns: [a, b], transforms: [standardize]}}
  target: {column: kind}
  split: {validation: 0.2, test: 0.3}
model: {layers: [{type: dense, units: 2, activation: softmax}]}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.05}
metrics: [accuracy]
training: {epochs: 2, batch_size: 16, threads: 1}
"""


@pytest.fixture
def table(place):
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 120))
    columns = {
        "a": a.tolist(), "b": b.tolist(), "kind": np.where(a + b > 0, "up", "down").tolist(),
        "patient": [f"p{row // 5}" for row in range(120)], "day": random.permutation(120).tolist(),
    }  # fmt: skip
    write_csv(place.folder / "rows.csv", columns)
    place.write(TABLE, "table.yaml")
    return place


def results(place, *arguments):
    return json.loads(place.call("cross-validate", "table.yaml", *arguments, "--json").stdout)


def test_mean_and_spread_over_the_folds(table):
    shown = results(table, "--folds", "4", "training.epochs=3")
    assert (shown["folds"], shown["done"]) == (4, 4)
    accuracies = [result["metrics"]["accuracy"] for result in shown["results"]]
    assert shown["mean"]["accuracy"] == pytest.approx(np.mean(accuracies))
    assert shown["standard_deviation"]["accuracy"] == pytest.approx(np.std(accuracies, ddof=1))
    assert [result["rows"] for result in shown["results"]] == [30] * 4
    assert [result["epochs"] for result in shown["results"]] == [3] * 4
    assert json.loads((table.runs / "table-cv-1" / "cross_validation.json").read_text())["mean"] == shown["mean"]
    printed = table.call("cross-validate", "table.yaml", "--folds", "4", "training.epochs=3").stdout
    lines = [line.split() for line in printed.splitlines() if line]
    assert lines[0][:3] == ["all", "folds", "were"]
    assert [line[0] for line in lines[1:]] == [
        "fold",
        "1",
        "2",
        "3",
        "4",
        "mean",
        "standard",
        str(table.runs / "table-cv-1"),
    ]


def test_every_command_knows_a_fold(table):
    shown = results(table, "--folds", "3")
    assert json.loads(table.call("runs", "show", "table-cv-1/fold-2", "--json").stdout)["status"] == "finished"
    measured = json.loads(table.call("evaluate", "table-cv-1/fold-2", "--json").stdout)
    assert measured["metrics"] == shown["results"][1]["metrics"]
    predicted = table.call("predict", "table-cv-1/fold-2", "rows.csv", "--json").stdout
    assert len(json.loads(predicted)) == 120
    assert "is finished" in table.call("resume", "table-cv-1/fold-2").stdout
    table.call("train", "runs/table-cv-1/fold-2/config.resolved.yaml")
    assert_same_runs(RunDirectory(table.runs / "table-cv-1" / "fold-2"), RunDirectory(table.runs / "table-1"))
    assert "table-cv-1" not in table.call("runs").stdout
    wrong = table.call("evaluate", "table-cv-1", expect=2).stderr
    assert "is no run" in wrong
    assert "table-cv-1/fold-1" in wrong


def test_another_file_is_measured_without_the_column_of_groups(table):
    text = TABLE.replace("  inputs: {x: {columns: [a, b], transforms: [standardize]}}\n", "")
    table.write(text.replace("  split: {validation: 0.2, test: 0.3}", "  split: {test: 0.3, group: day}"), "table.yaml")
    write_csv(table.folder / "rows.csv", {"a": [1, 2] * 9, "kind": ["up", "down"] * 9, "day": list(range(18))})
    table.call("train", "table.yaml")
    assert json.loads(table.call("evaluate", "latest", "rows.csv", "--json").stdout)["rows"] == 18


def test_a_fold_that_was_trained_further_is_measured_again(table):
    before = results(table, "--folds", "2")
    table.call("resume", "table-cv-1/fold-1", "training.epochs=9")
    after = results(table, "--folds", "2")
    assert [result["epochs"] for result in after["results"]] == [9, 2]
    assert after["results"][0]["metrics"] != before["results"][0]["metrics"]
    assert after["results"][1] == before["results"][1]


def test_the_same_command_goes_on_and_another_begins_anew(table):
    first = results(table, "--folds", "2")
    assert results(table, "--folds", "2") == first
    assert results(table, "--folds", "3")["path"].endswith("table-cv-2")
    assert results(table, "--folds", "2", "seed=1")["path"].endswith("table-cv-3")
    again = results(table, "--folds", "2", "--new")
    assert again["path"].endswith("table-cv-4")
    assert again["results"] == first["results"]


def test_groups_and_forward_folds(table):
    results(table, "--folds", "3", "--group", "patient")
    results(
        table,
        "--folds",
        "3",
        "--forward",
        "data.split.type=chronological",
        "data.split.sort_by=day",
        "data.split.test=null",
    )
    splits = [
        (table.runs / f"table-cv-{number}" / "fold-2" / "config.resolved.yaml").read_text().split("split:")[1]
        for number in (1, 2)
    ]
    assert "group: patient" in splits[0]
    assert "fold: 2, forward: true" in splits[1]
    assert "sort_by: day" in splits[1]
    wrong = table.call("cross-validate", "table.yaml", "--forward", "--group", "patient", expect=2).stderr
    assert "group goes with a random split" in wrong
    assert "no column 'patiend'" in table.call("cross-validate", "table.yaml", "--group", "patiend", expect=2).stderr


def test_too_many_folds_are_told_before_anything_is_made(table):
    wrong = table.call("cross-validate", "table.yaml", "--folds", "200", expect=2).stderr
    assert "120 rows can't make 200 folds" in wrong
    assert not table.runs.exists()


def test_an_interrupted_one_goes_on_to_the_same_end(place):
    """Ctrl-C in the second fold; the same command again skips the first and resumes the second."""
    place.write(LONG, "long.yaml")
    command = ("cross-validate", "long.yaml", "--folds", "2", "data.source.rows=30000", "training.epochs=16")
    process = place.start(*command)
    second = RunDirectory(place.runs / "long-cv-1" / "fold-2")
    wait_until(lambda: second.metrics.exists())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "fold 2 of 2: stopped after step" in err
    assert f"the same command goes on: dlrun {' '.join(command)}" in err
    first = read_record(RunDirectory(place.runs / "long-cv-1" / "fold-1").record)
    assert read_cross_validation(place.runs / "long-cv-1").results.keys() == {1}
    place.call(*command)
    assert read_record(RunDirectory(place.runs / "long-cv-1" / "fold-1").record) == first
    assert read_cross_validation(place.runs / "long-cv-1").is_done
    place.call("train", str(second.resolved_config))
    assert_same_runs(second, RunDirectory(place.runs / "long-1"))
