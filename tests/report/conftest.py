import pytest

from tests.cli.commands import CONFIG, Workplace


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A workplace with one finished run of few epochs, small-1, whose network still errs; not to be changed."""
    place = Workplace(tmp_path_factory.mktemp("report"))
    place.write(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlrun.training.recording.draw_curves", lambda *arguments: None)
        place.call("train", "small.yaml")
    return place
