"""Vectors of another width than the machine's."""

import pytest

from dlrun.kernels.target import VARIABLE, host_target


@pytest.fixture
def lanes(monkeypatch):
    """Return what forces a number of lanes."""

    def force(count):
        monkeypatch.setenv(VARIABLE, str(count))
        host_target.cache_clear()

    yield force
    monkeypatch.undo()
    host_target.cache_clear()
