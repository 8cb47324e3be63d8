import pytest


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """Curves are drawn where they are looked at: in tests/cli."""
    monkeypatch.setattr("dlrun.training.recording.draw_curves", lambda *arguments: None)
