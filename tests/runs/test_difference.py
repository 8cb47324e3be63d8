import pytest

from dlrun.errors import ConfigError
from dlrun.runs.difference import diff_runs, to_json
from dlrun.runs.directory import RunDirectory
from dlrun.runs.record import RunRecord, write_record

CONFIG = """
name: line
data: {{source: {{type: synthetic, generator: line, rows: 100}}, target: {{column: y}}}}
model: {{layers: [{layers}]}}
loss: mse
optimizer: {{type: sgd, learning_rate: {rate}}}
"""


def make_run(folder, rate=0.1, layers="{type: dense, units: 1}", **record):
    run = RunDirectory.create("line", folder)
    run.resolved_config.write_text(CONFIG.format(rate=rate, layers=layers))
    data = {"fingerprint": record.pop("fingerprint", "aa")}
    base = {"status": "finished", "versions": {"numpy": "2.0"}, "best_metrics": {"train/loss": 0.5}, "data": data}
    write_record(run.record, RunRecord(name=run.name, started="2025-03-01T10:00:00Z", **(base | record)))
    return run


def test_equal_runs_differ_in_nothing(tmp_path):
    found = to_json(diff_runs(make_run(tmp_path), make_run(tmp_path)))
    assert found == {"config": [], "data": [], "environment": [], "metrics": []}


def test_only_what_differs_in_the_order_of_the_causes(tmp_path):
    old = make_run(tmp_path)
    changes = {"versions": {"numpy": "2.1", "numba": "0.63"}, "best_metrics": {"train/loss": 0.25}, "fingerprint": "bb"}
    new = make_run(tmp_path, rate=0.2, **changes)
    found = to_json(diff_runs(old, new))
    assert list(found) == ["config", "data", "environment", "metrics"]
    assert found["config"] == [{"name": "optimizer.learning_rate", "old": 0.1, "new": 0.2}]
    assert found["data"] == [{"name": "fingerprint", "old": "aa", "new": "bb"}]
    assert found["environment"] == [
        {"name": "numpy", "old": "2.0", "new": "2.1"}, {"name": "numba", "old": None, "new": "0.63"},
    ]  # fmt: skip
    assert found["metrics"] == [{"name": "best train/loss", "old": 0.5, "new": 0.25}]


def test_a_layer_that_one_run_has_not(tmp_path):
    layers = "{type: dense, units: 1}"
    found = diff_runs(make_run(tmp_path), make_run(tmp_path, layers=f"{layers}, relu"))["config"]
    assert [(each.name, each.old) for each in found] == [("model.layers[1]", None)]
    assert to_json({"config": found})["config"][0]["new"] is not None


def test_a_run_without_its_config_is_an_error(tmp_path):
    old, new = make_run(tmp_path), make_run(tmp_path)
    new.resolved_config.unlink()
    with pytest.raises(ConfigError, match=r"config\.resolved\.yaml"):
        diff_runs(old, new)
