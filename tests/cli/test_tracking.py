"""A run whose tracker can't be reached: told before anything is made."""

import pytest

from tests.cli.commands import CONFIG
from tests.support.mlflow_server import FakeServer


@pytest.fixture
def nobody(monkeypatch):
    pytest.importorskip("mlflow", reason="needs mlflow-skinny (the extra mlflow)")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with FakeServer() as server:
        pass
    return f"tracking={{type: mlflow, uri: '{server.uri}'}}"


@pytest.mark.parametrize("command", [("train",), ("cross-validate",)])
def test_a_server_that_is_down_leaves_no_run(place, nobody, command):
    place.write(CONFIG)
    failed = place.call(*command, "small.yaml", nobody, expect=1)
    assert "error: MLflow at http://127.0.0.1:" in failed.stderr
    assert "help: tracking=null trains without it" in failed.stderr
    assert not place.runs.exists()


def test_commands_that_train_nothing_that_stays_need_no_server(place, nobody):
    place.write(CONFIG)
    place.call("validate", "small.yaml", nobody)
    place.call("find-lr", "small.yaml", "--steps", "20", nobody)


def test_unknown_trackers_and_fields_are_told(place):
    place.write(CONFIG)
    failed = place.call("train", "small.yaml", "tracking=mlfow", expect=2).stderr
    assert "did you mean 'mlflow'?" in failed
    failed = place.call("train", "small.yaml", "tracking={type: mlflow, url: x}", expect=2).stderr
    assert "unknown field 'url'" in failed
