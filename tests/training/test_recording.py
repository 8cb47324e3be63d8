"""When what a run has reached is on the disk."""

from types import SimpleNamespace

import pytest

from dlrun.runs.checkpoint import load_checkpoint
from dlrun.training import recording
from dlrun.training.events import Listener
from tests.training.runs import LINE, start


class Seen(Listener):
    """Lets epochs last for so many seconds, and looks at their end which epochs the last checkpoint has."""

    def __init__(self, folder, seconds):
        self.folder, self.seconds, self.now, self.epochs = folder, seconds, 0.0, []

    def validating(self, split):
        self.now += self.seconds
        found = list(self.folder.rglob("last.safetensors"))
        self.epochs.append(load_checkpoint(found[0]).metadata["state"]["epoch"] if found else 0)


@pytest.mark.parametrize(("seconds", "epochs"), [(2.0, [0, 1, 2, 3]), (0.6, [0, 0, 2, 2])])
def test_a_checkpoint_is_written_at_the_end_of_its_epoch_or_waits_a_second(tmp_path, monkeypatch, seconds, epochs):
    seen = Seen(tmp_path, seconds)
    monkeypatch.setattr(recording, "time", SimpleNamespace(monotonic=lambda: seen.now))
    validated = LINE.replace("target: {column: y}", "target: {column: y}\n  split: {validation: 0.2}")
    start(tmp_path, validated, "training.epochs=4", listener=seen)
    assert seen.epochs == epochs
    assert load_checkpoint(next(tmp_path.rglob("last.safetensors"))).metadata["state"]["epoch"] == 4
