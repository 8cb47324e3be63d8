import json
import math

import pytest

from dlrun.errors import UsageError
from dlrun.runs.directory import RunDirectory
from dlrun.runs.metrics_csv import append_metrics
from dlrun.runs.record import RunRecord, now, write_record
from dlrun.runs.table import COLUMNS, runs_table, show_run


@pytest.fixture
def runs(tmp_path):
    """Three runs, the last with a damaged record."""
    for day, (name, accuracy, epochs) in enumerate([("a", 0.9, 10), ("b", 0.8, 9)], 1):
        run = RunDirectory.create(name, tmp_path)
        record = RunRecord(
            name=run.name,
            status="finished",
            started=f"2025-03-0{day}T10:00:00Z",
            ended=f"2025-03-0{day}T10:0{day}:00.500Z",
            epochs=epochs,
            best_epoch=3,
            best_metrics={"validation/accuracy": accuracy, **({"validation/f1": 0.5} if name == "b" else {})},
        )
        write_record(run.record, record)
    RunDirectory.create("c", tmp_path).record.write_text("{")
    (tmp_path / "README.md").write_text("")
    (tmp_path / "other").mkdir()
    return tmp_path


def names(table):
    return [row["name"] for row in table.rows]


def test_rows_in_the_order_of_the_starts(runs):
    table = runs_table(runs)
    assert table.columns == (*COLUMNS, "validation/accuracy", "validation/f1")
    assert names(table) == ["a-1", "b-1", "c-1"]
    assert table.rows[0] == {
        "name": "a-1",
        "status": "finished",
        "started": "2025-03-01T10:00:00+00:00",
        "duration": 60.5,
        "epochs": 10,
        "best_epoch": 3,
        "parameters": None,
        "validation/accuracy": 0.9,
        "validation/f1": None,
    }


def test_a_damaged_run_is_listed_with_the_reason(runs):
    table = runs_table(runs)
    assert table.rows[2]["status"] == "damaged"
    assert "is not JSON" in table.damaged["c-1"]
    last = json.loads(json.dumps(table.to_json()))[2]
    assert "is not JSON" in last["problem"]
    assert "problem" not in table.to_json()[0]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("validation/accuracy", ["b-1", "a-1", "c-1"]),
        ("-validation/accuracy", ["a-1", "b-1", "c-1"]),
        ("epochs", ["b-1", "a-1", "c-1"]),
        ("-name", ["c-1", "b-1", "a-1"]),
        ("validation/f1", ["b-1", "a-1", "c-1"]),
        ("status", ["c-1", "a-1", "b-1"]),
    ],
)
def test_sorting(runs, sort, expected):
    assert names(runs_table(runs, sort)) == expected


def test_every_column_sorts(runs):
    for column in runs_table(runs).columns:
        assert len(runs_table(runs, column).rows) == 3


def test_an_unknown_column_names_the_nearest(runs):
    with pytest.raises(UsageError, match="no column 'epoch'") as caught:
        runs_table(runs, "-epoch")
    assert (caught.value.help or "").startswith("did you mean 'epochs'? one of: name, status")


def test_no_runs_at_all(tmp_path):
    assert runs_table(tmp_path / "none").rows == ()
    assert runs_table(tmp_path, "name").rows == ()


def test_killed_and_running_runs(tmp_path):
    for dead in (False, True):
        run = RunDirectory.create("a", tmp_path)
        record = RunRecord(name=run.name, started=now())
        began = 1 if dead else record.process.began
        write_record(run.record, record.changed(process=record.process.model_copy(update={"began": began})))
    if record.process.began is None:
        pytest.skip("needs Linux's /proc to tell the processes apart")
    running, killed = runs_table(tmp_path).rows
    assert (running["status"], killed["status"]) == ("running", "interrupted")
    assert 0 <= running["duration"] < 60
    assert killed["duration"] is None


def test_showing_a_run(runs):
    run = RunDirectory(runs / "a-1")
    row = {"epoch": 1, "step": 10, "seconds": 0.5, "samples_per_second": 20.0, "learning_rate": 0.1}
    append_metrics(run.metrics, {**row, "train/loss": math.nan})
    shown = json.loads(json.dumps(show_run(run), allow_nan=False))
    assert shown["status"] == "finished"
    assert shown["duration"] == 60.5
    assert shown["history"] == [{**row, "train/loss": None}]
    assert shown["files"] == ["metrics.csv", "run.json"]
    assert shown["problems"] == []


def test_showing_a_damaged_run(runs):
    run = RunDirectory(runs / "c-1")
    run.metrics.write_text("nonsense\n")
    shown = show_run(run)
    assert shown["status"] == "damaged"
    assert shown["name"] == "c-1"
    assert [text.split(" is ")[0].split("/")[-1].split(":")[0] for text in shown["problems"]] == [
        "run.json",
        "metrics.csv",
    ]
