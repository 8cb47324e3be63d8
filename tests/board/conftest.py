import shutil

import pytest

from tests.board.serving import serving
from tests.cli.commands import CONFIG, Workplace


@pytest.fixture(autouse=True)
def needed():
    for package in ("starlette", "uvicorn", "jinja2", "plotly"):
        pytest.importorskip(package, reason=f"needs {package} (the extra board)")


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A workplace with two finished runs; not to be changed."""
    place = Workplace(tmp_path_factory.mktemp("board"))
    place.write(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlrun.training.recording.draw_curves", lambda *arguments: None)
        place.call("train", "small.yaml")
        place.call("train", "small.yaml", "optimizer.learning_rate=0.001", "training.epochs=3")
    return place


@pytest.fixture
def place(original, tmp_path):
    """A copy of the workplace that a test may change."""
    shutil.copytree(original.folder, tmp_path / "copy")
    return Workplace(tmp_path / "copy")


@pytest.fixture(scope="module")
def served(original):
    """The board of the original workplace."""
    with serving(original) as board:
        yield board
