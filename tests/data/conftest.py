"""Every test of the data package: a cache and a working folder of its own, and no network."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest


def _refuse(*args: Any, **options: Any) -> None:
    raise urllib.error.URLError("no network in tests")


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DLRUN_DATASETS", raising=False)
    monkeypatch.setattr(urllib.request, "urlopen", _refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path
