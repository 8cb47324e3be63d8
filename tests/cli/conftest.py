import shutil

import pytest

from tests.cli.commands import CONFIG, Workplace


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
