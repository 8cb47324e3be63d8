"""dlrun report SWEEP: charts of the trials, and links to them."""

import json
import re

import pytest

from dlrun.report.blocks import Link
from dlrun.report.sweep_report import history, leaderboard, one_slice, parallel
from tests.cli.commands import Workplace

LINE = """
name: line
data:
  source: {type: synthetic, generator: line, rows: 100, noise: 0.1}
  inputs: {x: {columns: [x]}}
  target: {column: y}
  split: {validation: 0.2}
model: {layers: [{type: dense, units: 1}]}
loss: mse
optimizer: {type: sgd, learning_rate: 0.1}
training: {epochs: 2, batch_size: 10, threads: 1}
"""
LABELS = {"optimizer.learning_rate": "learning_rate", "optimizer.type": "type"}


def trial(number, value, path=None, **parameters):
    return {
        "number": number, "state": "finished", "parameters": parameters, "key": f"k{number}", "value": value,
        "epoch": 1, "epochs": 2, "seconds": 0.5, "path": path, "problem": None,
    }  # fmt: skip


TRIALS = [
    trial(2, 0.5, **{"optimizer.learning_rate": 1e-1, "optimizer.type": "sgd"}),
    trial(0, 0.6, **{"optimizer.learning_rate": 1e-3, "optimizer.type": "adam"}),
    trial(1, 0.9, **{"optimizer.learning_rate": 1e-2}),
]


def test_parallel_coordinates_are_logarithmic_where_values_spread_and_have_gaps():
    *lines, ticks = parallel(TRIALS, LABELS, "loss").views[0].traces
    assert [each["name"] for each in lines] == ["trial 1", "trial 0", "trial 2"]
    assert [each["y"][0] for each in lines] == pytest.approx([0.5, 0.0, 1.0])
    assert [each["y"][1] for each in lines] == [None, 0.75, 0.25]
    assert ticks["text"] == ["0.001", "0.1", "sgd", "adam", "0.5", "0.9"]


def test_a_parameter_with_one_value_stands_in_the_middle():
    lines = parallel([trial(0, 0.5, a=3), trial(1, 0.4, a=3)], {"a": "a"}, "loss").views[0].traces
    assert lines[0]["y"] == [0.5, 0.0]


def test_the_best_so_far_follows_the_trials_order():
    _, best = history(TRIALS, "loss", maximizes=False).views[0].traces
    assert (best["x"], best["y"]) == ([0, 1, 2], [0.6, 0.6, 0.5])
    assert history(TRIALS, "accuracy", maximizes=True).views[0].traces[1]["y"] == [0.6, 0.9, 0.9]


def test_slices_leave_out_trials_without_the_parameter():
    chart = one_slice(TRIALS, "optimizer.type", "type", "loss")
    assert chart.views[0].traces[0]["x"] == ["sgd", "adam"]
    assert one_slice(TRIALS, "optimizer.learning_rate", "rate", "loss").layout["xaxis"]["type"] == "log"


def test_links_lead_to_reports_where_there_are_any(tmp_path):
    for name in ("with", "without"):
        (tmp_path / "trials" / name).mkdir(parents=True)
    (tmp_path / "trials" / "with" / "report.html").write_text("")
    trials = [trial(0, 0.5, str(tmp_path / "trials" / "with")), trial(1, 0.5, str(tmp_path / "trials" / "without"))]
    rows = leaderboard([*trials, trial(2, None)], {}, "loss", tmp_path / "report.html").rows
    assert [row[-1] for row in rows] == [Link("k0", "trials/with/report.html"), Link("k1", "trials/without"), ""]


def test_the_command_reports_a_sweep(tmp_path, monkeypatch):
    for package in ("optuna", "plotly"):
        pytest.importorskip(package, reason=f"needs {package}")
    monkeypatch.setattr("dlrun.training.recording.draw_curves", lambda *arguments: None)
    monkeypatch.setenv("DLRUN_SWEEPS", str(tmp_path / "sweeps"))
    place = Workplace(tmp_path)
    place.write(LINE, "line.yaml")
    place.call("sweep", "line.yaml", "optimizer.learning_rate=0.001,0.1", "training.batch_size=10,20")
    folder = tmp_path / "sweeps" / "line-1"
    assert place.call("report", str(folder)).stdout == f"{folder / 'report.html'}\n"
    assert place.call("report", "line-1").stdout == f"{folder / 'report.html'}\n"
    assert "is a sweep: --split" in place.call("report", "line-1", "--split", "test", expect=2).stderr
    place.call("train", "line.yaml", "training.epochs=1")
    both = place.call("report", "line-1", "--no-profile")
    assert both.stdout == f"{place.runs / 'line-1' / 'report.html'}\n"
    assert f"dlrun report {folder}" in both.stderr
    html = (folder / "report.html").read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", html)
    assert titles == ["Trials", "Parameters", "Curves", "Leaderboard", "Sweep"]
    links = re.findall(r'<a href="(trials/\w+)"', html)
    assert len(links) == 4
    assert all((folder / link).is_dir() for link in links)
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', html, re.DOTALL)[1])
    assert len(charts[0]["views"][0]["traces"]) == 5
