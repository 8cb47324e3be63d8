import shutil

import pytest

from tests.cli.commands import CONFIG, Workplace


@pytest.fixture(autouse=True)
def few_plots(request, monkeypatch):
    """Plots take their time: only the tests that look at them have them drawn."""
    if "draws" not in request.node.name:
        monkeypatch.setattr("dlrun.training.recording.draw_curves", lambda *arguments: None)
        monkeypatch.setattr("dlrun.training.evaluation._draw", lambda *arguments: None)


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path)


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A workplace with one finished run, small-1; not to be changed."""
    place = Workplace(tmp_path_factory.mktemp("original"))
    place.write(CONFIG)
    place.call("train", "small.yaml")
    return place


@pytest.fixture
def trained(original, tmp_path):
    """A copy of the workplace with one finished run."""
    shutil.copytree(original.folder, tmp_path / "copy")
    return Workplace(tmp_path / "copy")
