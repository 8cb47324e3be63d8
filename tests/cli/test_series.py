"""Series on the command line: trained, measured, forecast, cross-validated, and what is wrong said in its place."""

import csv
import json

import pytest

CONFIG = """
name: tides
data:
  source: {type: csv, path: tides.csv}
  window: {length: 8, horizon: 4}
  inputs: {past: {columns: [y], transforms: [standardize]}}
  target: {column: y, transforms: [standardize]}
  split: {type: chronological, sort_by: hour, validation: 0.1, test: 0.2}
model: {layers: [flatten, {type: dense, units: 4}]}
loss: mse
optimizer: {type: adam, learning_rate: 0.02}
metrics: [mae]
training: {epochs: 5, batch_size: 8}
"""


@pytest.fixture
def tides(place):
    """A workplace with a table of which y repeats every 8 hours, and its config."""
    lines = [f"2024-01-{1 + row // 24:02d} {row % 24:02d}:00,{(row % 8) ** 2}" for row in range(240)]
    (place.folder / "tides.csv").write_text("\n".join(["hour,y", *lines]) + "\n")
    place.write(CONFIG)
    return place


def test_forecast(tides):
    tides.call("train", "small.yaml")
    table = tides.call("predict", "latest", "--horizon", "6").stdout.splitlines()
    assert table[0].split() == ["step", "hour", "y"]
    assert table[1].split()[:3] == ["1", "2024-01-11", "00:00"]
    assert len(table) == 7
    rows = json.loads(tides.call("predict", "latest", "--horizon", "6", "--json").stdout)
    assert [set(row) for row in rows] == [{"step", "hour", "y"}] * 6
    assert rows[5]["hour"] == "2024-01-11 05:00"
    tides.call("predict", "latest", "tides.csv", "--horizon", "2", "-o", "next.csv")
    with (tides.folder / "next.csv").open() as file:
        assert [float(row["y"]) for row in csv.DictReader(file)] == [row["y"] for row in rows[:2]]


def test_a_file_is_measured_in_the_order_of_its_dates(tides):
    tides.call("train", "small.yaml")
    head, *lines = (tides.folder / "tides.csv").read_text().splitlines()
    for name, rows in (("straight.csv", lines), ("backwards.csv", lines[::-1])):
        (tides.folder / name).write_text("\n".join([head, *rows]) + "\n")
    found = [json.loads(tides.call("evaluate", "latest", f"{name}.csv", "--json").stdout)
             for name in ("straight", "backwards")]  # fmt: skip
    assert found[0]["metrics"] == found[1]["metrics"]
    assert found[0]["rows"] == 240 - 8 - 4 + 1


def test_folds_go_forward(tides):
    tides.call("cross-validate", "small.yaml", "--folds", "3", "--json", "data.split.validation=0")
    for fold in (1, 2, 3):
        (run,) = (tides.runs / "tides-cv-1").glob(f"*{fold}")
        found = json.loads(tides.call("evaluate", str(run), "--json").stdout)
        assert found["rows"] == 60 - 4 + 1, "each fold's windows predict its 60 rows, and nothing else"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.window.length=500", "too few for a window of 500 rows"),
        ("data.window.horizon=30", "the validation split's 19 rows are fewer than the 30 of a target"),
        ("data.split.dates={test: 2024-01-05}", "either dates divide the rows"),
    ],
)
def test_what_is_wrong_is_said_in_its_place(tides, override, message):
    done = tides.call("validate", "small.yaml", override, expect=2)
    assert message in done.stderr
    assert override.split("=")[0].split(".")[-1] in done.stderr
    assert "override:1:" in done.stderr or "small.yaml:" in done.stderr


def test_forecasts_that_can_not_be(tides):
    done = tides.call("predict", "latest", "--horizon", "0", expect=2)
    assert "horizon" in done.stderr
    tides.call("train", "small.yaml", "data.window=null", "data.inputs.past.columns=[y]", "training.epochs=1",
               "model.layers=[{type: dense, units: 1}]")  # fmt: skip
    assert "only a series is forecast" in tides.call("predict", "latest", "--horizon", "3", expect=2).stderr
    assert "--horizon 24" in tides.call("predict", "latest", expect=2).stderr
