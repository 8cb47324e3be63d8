"""Series from the config to the forecast: windows are read where they lie, forecasts go on by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from dlrun.errors import DataError, UsageError
from dlrun.training.evaluation import evaluate_run
from dlrun.training.explain import Options, explain_run
from dlrun.training.forecasting import forecast_rows
from dlrun.training.prediction import predict_rows
from tests.training.runs import assert_same_runs, go_on, rows_of, start, start_and_interrupt

PERIOD, ROWS = 12, 300
FORECAST = """
name: waves
data:
  source: {type: csv, path: waves.csv}
  window: {length: 12, horizon: 3}
  inputs: {past: {columns: [y], transforms: [standardize]}}
  target: {column: y, transforms: [standardize]}
  split: {type: chronological, sort_by: day, validation: 40, test: 40}
model: {layers: [flatten, {type: dense, units: 3}]}
loss: mse
optimizer: {type: adam, learning_rate: 0.02}
metrics: [mae, {type: mse, scaled: true}, {type: mse, name: squares}]
training: {epochs: 10, batch_size: 8, threads: 2}
"""
BOTH = (
    "data.inputs={past: {columns: [y, z], transforms: [standardize]}}",
    "data.target={columns: [z, y], transforms: [standardize]}",
    "model.layers=[flatten, {type: dense, units: 6}, {type: reshape, target_shape: [3, 2]}]",
)
"""Overrides: two variables in, both out."""


def wave(rows):
    return 50 + 10 * np.sin(2 * np.pi * rows / PERIOD)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a series of whole days, and the next rows of it."""
    monkeypatch.chdir(tmp_path)
    days = [str(np.datetime64("2024-01-01") + row) for row in range(ROWS)]
    lines = [f"{days[row]},{wave(row)},{-wave(row + 3)}" for row in range(ROWS)]
    (tmp_path / "waves.csv").write_text("\n".join(["day,y,z", *lines]) + "\n")
    return tmp_path


def run_of(folder, *overrides):
    return start(folder / "runs", FORECAST, "data.cache=memory", *overrides).run


def test_a_forecast_goes_on_where_the_data_end(folder):
    rows = forecast_rows(run_of(folder), None, 8)
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert [row["day"] for row in rows] == [str(np.datetime64("2024-01-01") + ROWS + i) for i in range(8)]
    np.testing.assert_allclose([row["y"] for row in rows], wave(ROWS + np.arange(8)), atol=0.5)


def test_a_forecast_of_several_variables_from_a_file(folder):
    run = run_of(folder, *BOTH)
    head, *lines = (folder / "waves.csv").read_text().splitlines()
    (folder / "part.csv").write_text("\n".join([head, *lines[:40]]))
    rows = forecast_rows(run, None, 5, [folder / "part.csv"])
    assert rows[0]["day"] == "2024-02-10"
    np.testing.assert_allclose([row["y"] for row in rows], wave(40 + np.arange(5)), atol=0.5)
    np.testing.assert_allclose([row["z"] for row in rows], -wave(43 + np.arange(5)), atol=0.5)


def test_forecasts_that_can_not_be(folder):
    run = run_of(folder, "data.inputs.past.columns=[y, z]", "training.epochs=1")
    assert len(forecast_rows(run, None, 2)) == 2
    with pytest.raises(UsageError, match="forecasts 3 rows, and not 'z'"):
        forecast_rows(run, None, 4)
    (folder / "short.csv").write_text("day,y,z\n2024-01-01,1,2\n2024-01-02,1,2\n")
    with pytest.raises(DataError, match="starts from 12 rows, there are 2"):
        forecast_rows(run, None, 2, [folder / "short.csv"])
    with pytest.raises(UsageError, match="there is no file"):
        forecast_rows(run, None, 2, [folder / "none.csv"])
    rows = run_of(
        folder, "data.window=null", "data.inputs.past.columns=[z]", "model.layers=[{type: dense, units: 1}]",
        "training.epochs=1",
    )  # fmt: skip
    with pytest.raises(UsageError, match="only a series is forecast"):
        forecast_rows(rows, None, 2)


def test_dates_go_on_however_short_a_window_is(folder):
    layers = "model.layers=[flatten, {type: dense, units: 1}]"
    run = run_of(folder, "data.window={length: 1}", layers, "training.epochs=1")
    assert [row["day"] for row in forecast_rows(run, None, 2)] == ["2024-10-27", "2024-10-28"]


def test_predictions_for_a_file_are_those_of_each_window(folder):
    run = run_of(folder, "training.epochs=2")
    rows = predict_rows(run, None, [folder / "waves.csv"])
    assert [rows[0]["row"], rows[-1]["row"]] == [12, ROWS]
    last = [row["y"] for row in forecast_rows(run, None, 3)]
    np.testing.assert_allclose(rows[-1]["prediction"], last, rtol=1e-6)


def test_metrics_in_both_units(folder):
    run = run_of(folder, "training.epochs=2")
    found = evaluate_run(run, "test", None).metrics
    np.testing.assert_allclose(found["mse_scaled"], found["loss"], rtol=1e-5)
    deviation = np.std(wave(np.arange(ROWS - 80)))
    np.testing.assert_allclose(found["squares"], found["loss"] * deviation**2, rtol=1e-5)


def test_windows_train_as_their_copies_do(folder):
    windows = run_of(folder, "data.split={validation: 40}", "data.window.stride=2", "metrics=[]")
    y = wave(np.arange(ROWS))
    normal = ((y - y[: ROWS - 40].mean()) / y[: ROWS - 40].std()).astype(np.float32)
    begins = [np.arange(12, ROWS - 40 - 2, 2), np.arange(ROWS - 40, ROWS - 2, 2)]
    arrays = {}
    for name, begin in zip(("train", "val"), begins, strict=True):
        arrays[f"x_{name}"] = np.stack([normal[row - 12 : row, np.newaxis] for row in begin])
        arrays[f"y_{name}"] = np.stack([normal[row : row + 3] for row in begin])
    np.savez(folder / "copies.npz", **arrays)
    source = "data={source: {type: npz, path: copies.npz}, cache: memory}"
    copies = start(folder / "runs", FORECAST, source, "metrics=[]").run
    assert rows_of(windows) == rows_of(copies)


def test_the_same_bits_for_any_threads_and_after_an_interruption(folder, monkeypatch):
    whole = run_of(folder)
    assert_same_runs(whole, run_of(folder, "training.threads=3"))
    cut = start_and_interrupt(monkeypatch, folder / "runs", FORECAST, 40, "data.cache=memory")
    go_on(cut)
    assert_same_runs(whole, cut)


def test_a_window_that_reproduces_itself(folder):
    run = run_of(
        folder, *BOTH[:1], "data.window={length: 6, stride: 2}", "data.target={input: past}",
        "model.layers=[flatten, {type: dense, units: 3}, {type: dense, units: 12}]", "metrics=[]", "training.epochs=30",
    )  # fmt: skip
    assert evaluate_run(run, "test", None).metrics["loss"] < 0.01


def test_permutation_importance_of_a_series(folder):
    run = run_of(
        folder, "data.inputs.past.columns=[y, z]", "data.target.column=z", "data.window.horizon=1",
        "model.layers=[flatten, {type: dense, units: 1}]", "training.epochs=5",
    )  # fmt: skip
    result = explain_run(run, None, Options(repeats=2), folder / "explained")
    assert {row["column"] for row in result.rows["columns"]} == {"y", "z"}
    assert all(row["loss"] > 0 for row in result.rows["columns"])
