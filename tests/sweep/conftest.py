import pytest

from tests.cli.commands import Workplace


@pytest.fixture(autouse=True)
def own_sweeps(monkeypatch):
    """Sweeps are in the folder in which a command runs."""
    pytest.importorskip("optuna", reason="needs Optuna (the extra sweep)")
    monkeypatch.delenv("DLRUN_SWEEPS", raising=False)


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path)
