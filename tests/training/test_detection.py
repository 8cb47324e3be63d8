"""Anomalies found by whole runs: a series forecast or reconstructed, rows of a table, labels of every kind."""

import csv
import json
from datetime import datetime, timedelta

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.config.problems import LocatedConfigError
from dlrun.errors import DataError, UsageError
from dlrun.training.detection import Request, detect
from dlrun.training.fit import validate
from tests.training.runs import LINE, MIXED, go_on, start

ROWS, ODD = 700, ((520, 530), (600, 604))

WAVE = """
name: wave
data:
  source: {{type: csv, path: {path}}}
  window: {{length: 16, horizon: 2}}
  inputs: {{past: {{columns: [value], transforms: [standardize]}}}}
  target: {{column: value, transforms: [standardize]}}
  split: {{type: chronological, sort_by: date, validation: 100, test: 250}}
model: {{layers: [flatten, {{type: dense, units: 2}}]}}
loss: mse
optimizer: {{type: adam, learning_rate: 0.02}}
training: {{epochs: 10, batch_size: 16, threads: 1}}
anomaly:
  gap: 3
  threshold: {{type: quantile, value: 1, factor: 1.2}}
  labels: {{windows: [[2024-01-22 16:00:00, 2024-01-23 02:00:00], [2024-01-26 00:00:00, 2024-01-26 04:00:00]]}}
"""


def wave(path, odd=ODD, rows=ROWS):
    """An hourly wave with some noise, the wrong way round in the rows of `odd`; the last column marks them."""
    random = np.random.default_rng(0)
    values = np.sin(np.arange(rows) / 3) + 0.05 * random.standard_normal(rows)
    marked = np.zeros(rows, int)
    for first, last in odd:
        values[first : last + 1] *= -1
        marked[first : last + 1] = 1
    dates = [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(rows)]
    path.write_text(
        "date,value,odd\n" + "".join(f"{d},{v:.4f},{m}\n" for d, v, m in zip(dates, values, marked, strict=True))
    )
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that forecasts a wave."""
    folder = tmp_path_factory.mktemp("wave")
    return start(folder, WAVE.format(path=wave(folder / "wave.csv"))).run


def test_windows_are_found_and_false_alarms_counted(trained):
    report = detect(trained, Request()).report()
    measured = report["per_window"]
    assert (measured["windows"], measured["found"], measured["recall"]) == (2, 2, 1.0)
    assert report["rows"] == 250
    assert report["threshold_is"] == "the largest of the 100 validation rows, times 1.2"
    assert [window["found"] for window in report["windows"]] == [True, True]
    assert report["per_row"]["anomalous"] == sum(last - first + 1 for first, last in ODD)
    assert report["windows"][0]["first"] <= "2024-01-22 18:00:00"
    true = [alarm for alarm in report["alarms"] if not alarm["false"]]
    assert len(true) >= 2
    assert measured["false_alarms"] == len(report["alarms"]) - len(true)
    json.dumps(report)


def test_rows_say_where_and_how_much(trained):
    detection = detect(trained, Request())
    rows = detection.rows()
    assert rows[0]["row"] == 450
    assert rows[0]["time"].startswith("2024-01-19 18:00")
    assert rows[-1]["row"] == 699
    for row in rows:
        assert row["flagged"] == (row["score"] > detection.threshold)
        assert row["anomaly"] == any(first <= row["row"] <= last for first, last in ODD)


def test_the_threshold_does_not_look_at_test_rows(trained, tmp_path):
    """Other rows after the validation rows, the same threshold; and the labels don't move it."""
    calm = wave(tmp_path / "calm.csv", odd=())
    of_file = detect(trained, Request(file=calm))
    own = detect(trained, Request(overrides=["anomaly.labels={windows: [[2024-01-20, 2024-01-21]]}"]))
    assert of_file.threshold == own.threshold == detect(trained, Request()).threshold


def test_another_file(trained, tmp_path):
    calm = detect(trained, Request(file=wave(tmp_path / "calm.csv", odd=(), rows=400)))
    assert len(calm.scores.rows) == 400 - 16
    assert calm.report()["flagged"] < 3
    assert "2 labelled windows have no row here and don't count" in calm.notes
    odd = wave(tmp_path / "odd.csv", odd=((100, 110),), rows=400)
    report = detect(trained, Request(file=odd, overrides=["anomaly.labels={column: odd}"])).report()
    assert report["per_window"]["found"] == report["per_window"]["windows"] == 1
    assert report["windows"][0]["start"].startswith("2024-01-05 04:00")
    with pytest.raises(UsageError, match="there is no file"):
        detect(trained, Request(file=tmp_path / "gone.csv"))


@pytest.mark.parametrize("kind", ["json", "keyed", "csv", "column"])
def test_labels_of_every_kind_are_the_same(trained, tmp_path, kind):
    windows = [["2024-01-22 16:00:00", "2024-01-23 02:00:00"], ["2024-01-26 00:00:00", "2024-01-26 04:00:00"]]
    path = tmp_path / ("labels.csv" if kind == "csv" else "labels.json")
    labels = f"{{path: {path}}}"
    if kind == "json":
        path.write_text(json.dumps(windows))
    elif kind == "keyed":
        path.write_text(json.dumps({"a": [], "wave/b": windows}))
        labels = f"{{path: {path}, key: wave/b}}"
    elif kind == "csv":
        path.write_text("start,end\n" + "".join(f"{a},{b}\n" for a, b in windows))
    else:
        labels = "{column: odd}"
    given, other = detect(trained, Request()), detect(trained, Request(overrides=[f"anomaly.labels={labels}"]))
    np.testing.assert_array_equal(given.labels, other.labels)
    assert given.report()["per_window"] == other.report()["per_window"]


def test_the_best_f1_of_labelled_validation_rows(trained, tmp_path):
    odd = wave(tmp_path / "wave.csv", odd=((400, 410), *ODD))
    f1 = "anomaly.threshold={type: best_f1}"
    run = start(tmp_path, WAVE.format(path=odd), "anomaly.labels={column: odd}", f1).run
    detection = detect(run, Request("validation"))
    limits = np.unique(detection.scores.values)
    best = max(2 * (detection.labels & (detection.scores.values > limit)).sum()
               / (detection.labels.sum() + (detection.scores.values > limit).sum()) for limit in limits)  # fmt: skip
    assert detection.report()["per_row"]["f1"] == pytest.approx(best)
    with pytest.raises(DataError, match="none of the validation rows is labelled"):
        detect(trained, Request(overrides=[f1]))


def test_an_autoencoder_of_windows(tmp_path):
    own = ("data.window={length: 12}", "data.target={input: past}", "training.epochs=20")
    layers = [
        "flatten",
        "{type: dense, units: 3}",
        "{type: dense, units: 12}",
        "{type: reshape, target_shape: [12, 1]}",
    ]
    run = start(
        tmp_path, WAVE.format(path=wave(tmp_path / "wave.csv")), *own, f"model.layers=[{', '.join(layers)}]"
    ).run
    detection = detect(run, Request())
    assert detection.scores.rows.tolist() == list(range(450, 700)), "every row of the split, the first ones too"
    assert detection.report()["per_window"]["recall"] == 1.0


TABLE = """
name: table
data:
  source: {{type: csv, path: {path}}}
  inputs: {{x: {{columns: [a, b, c], transforms: [standardize]}}}}
  target: {{input: x}}
  split: {{type: chronological, validation: 60, test: 60}}
model: {{layers: [{{type: dense, units: 2}}, {{type: dense, units: 3}}]}}
loss: mse
optimizer: {{type: adam, learning_rate: 0.05}}
training: {{epochs: 15, batch_size: 16, threads: 1}}
anomaly: {{labels: {{column: odd}}, threshold: {{type: deviation, value: 5}}}}
"""


def test_rows_of_a_table(tmp_path):
    """c is a - b, but for the odd rows: each row is scored by itself."""
    random = np.random.default_rng(0)
    table = random.standard_normal((300, 4))
    table[:, 2] = table[:, 0] - table[:, 1]
    table[:, 3] = np.isin(np.arange(300), (250, 270, 290))
    table[table[:, 3] == 1, 2] += 3
    path = tmp_path / "table.csv"
    path.write_text("a,b,c,odd\n" + "".join(",".join(f"{v:.5f}" for v in row) + "\n" for row in table))
    run = start(tmp_path, TABLE.format(path=path)).run
    detection = detect(run, Request())
    assert detection.scores.rows[detection.flags].tolist() == [250, 270, 290]
    report = detection.report()
    assert report["per_row"]["precision"] == report["per_row"]["recall"] == 1.0
    assert "alarms" not in report
    assert "time" not in detection.rows()[0]


def test_a_run_without_the_section_has_defaults(tmp_path):
    run = start(tmp_path, LINE, "data.split.validation=20", "training.epochs=1").run
    detection = detect(run, Request())
    assert detection.data == "the validation split"
    assert detection.chosen == "the 0.999 quantile of the 20 validation rows"
    assert "per_row" not in detection.report()


def test_what_can_not_be_looked_at(trained, tmp_path):
    with pytest.raises(UsageError, match="there is no split 'tset'"):
        detect(trained, Request("tset"))
    with pytest.raises(UsageError, match="would change the trained network"):
        detect(trained, Request(overrides=["training.epochs=3"]))
    classes = start(tmp_path, MIXED, "training.epochs=1").run
    with pytest.raises(UsageError, match="finds no anomalies: rows are scored by how far numbers are off"):
        detect(classes, Request())
    unvalidated = start(tmp_path, LINE, "training.epochs=1").run
    with pytest.raises(UsageError, match="the threshold is chosen on validation rows, and there are none"):
        detect(unvalidated, Request())
    with pytest.raises(UsageError, match="the data have no test split"):
        detect(start(tmp_path, LINE, "data.split.validation=20", "training.epochs=1").run, Request("test"))


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("anomaly.threshold=best_f2", ("threshold", "type"), "'best_f1'"),
        ("anomaly.threshold.value=1.5", ("threshold",), "a part of the rows"),
        ("anomaly.labels={column: off}", ("labels", "column"), "there is no column 'off'"),
        ("anomaly.labels={path: gone.json}", ("labels", "path"), "there is no gone.json"),
        ("anomaly.labels={windows: [[2024-01-02, soon]]}", ("labels",), "'soon' is no date"),
        ("anomaly.labels={windows: [[2024-01-02, 2024-01-01]]}", ("labels",), "ends before it starts"),
        ("anomaly.smoth=3", ("smoth",), "unknown field 'smoth'"),
    ],
)
def test_mistakes_are_located(trained, override, path, message):
    with pytest.raises(LocatedConfigError, match=message) as caught:
        detect(trained, Request(overrides=[override]))
    assert caught.value.problems[0].path[1 : 1 + len(path)] == path


def problems(text, *overrides):
    with pytest.raises(LocatedConfigError) as caught:
        validate(load_text(text, "test.yaml", overrides))
    return {problem.path: problem.message for problem in caught.value.problems}


def test_validate_finds_them_before_training(tmp_path):
    found = problems(LINE, "anomaly={smooth: 3, gap: 2, threshold: {type: best_f1}}", "data.split.validation=20")
    assert "smooth goes with a series" in found["anomaly", "smooth"]
    assert "gap goes with a series" in found["anomaly", "gap"]
    assert "there are no labels" in found["anomaly", "threshold"]
    found = problems(LINE, "anomaly={threshold: {type: quantile}}")
    assert "there are none" in found["anomaly", "threshold"]
    validate(load_text(LINE, "test.yaml", ["anomaly={threshold: {type: fixed, value: 3}}"]))
    found = problems(MIXED, "anomaly={}")
    assert "holds classes" in found["anomaly",]
    for content, field, message in (
        ("{", "path", "is no JSON"),
        ('{"a": []}', "path", "say which"),
        ("[[1]]", "path", "no list of"),
    ):
        path = tmp_path / "labels.json"
        path.write_text(content)
        found = problems(LINE, f"anomaly={{labels: {path}}}", "data.split.validation=20")
        assert message in found["anomaly", "labels", field]
    path.write_text('{"a": []}')
    found = problems(LINE, f"anomaly={{labels: {{path: {path}, key: b}}}}", "data.split.validation=20")
    assert "has no list 'b'" in found["anomaly", "labels", "key"]


def test_a_resumed_run_may_look_for_anomalies_in_another_way(tmp_path):
    run = start(tmp_path, LINE, "data.split.validation=20", "training.epochs=1", "anomaly={score: mae}").run
    go_on(run, "training.epochs=2", "anomaly.score=max")
    assert detect(run, Request()).threshold > 0


def test_scores_are_written_row_by_row(trained, tmp_path):
    from dlrun.runs.anomalies import write_anomalies

    detection = detect(trained, Request())
    write_anomalies(tmp_path / "new", detection.rows(), detection.report())
    with open(tmp_path / "new" / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["row", "time", "score", "flagged", "anomaly"]
    assert [float(row["score"]) for row in rows] == detection.scores.values.tolist()
    assert json.loads((tmp_path / "new" / "report.json").read_text()) == detection.report()
