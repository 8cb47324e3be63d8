import builtins
import math
import resource
import struct

import pytest

from dlrun.errors import MissingExtra, RunError
from dlrun.runs.tensorboard import EventWriter, open_events


@pytest.fixture
def tensorboard():
    pytest.importorskip("tensorboard", reason="needs tensorboard (the extra tensorboard)")


@pytest.fixture
def without_tensorboard(monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.partition(".")[0] == "tensorboard":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)


def events(directory):
    """The events of every file, in the order of the names: as TensorBoard reads them."""
    from tensorboard.compat.proto.event_pb2 import Event

    found = []
    for path in sorted(directory.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack_from("<Q", content)
            event = Event()
            event.ParseFromString(content[12 : 12 + length])
            found.append(event)
            content = content[16 + length :]
    return found


def scalars(directory):
    return [(event.step, value.tag, value.simple_value) for event in events(directory) for value in event.summary.value]


def test_scalars_are_readable_at_once(tensorboard, tmp_path):
    with EventWriter(tmp_path) as writer:
        writer.write(10, {"train/loss": 0.5, "validation/loss": None, "validation/accuracy": math.nan})
        assert scalars(tmp_path) == [(10, "train/loss", 0.5)]  # before the file is closed
        writer.write(20, {"train/loss": 0.25})
    assert [step for step, _, _ in scalars(tmp_path)] == [10, 20]
    assert events(tmp_path)[0].file_version == "brain.Event:2"


def test_a_resumed_run_hides_later_steps(tensorboard, tmp_path):
    with EventWriter(tmp_path) as writer:
        writer.write(10, {"train/loss": 0.5})
    with EventWriter(tmp_path, resumed_at=15):
        pass
    starts = [event.step for event in events(tmp_path) if event.session_log.status == event.session_log.START]
    assert starts == [16]
    assert len(list(tmp_path.iterdir())) == 2


def test_an_unwritable_place_is_a_clear_error(tensorboard, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="can't write"):
        EventWriter(tmp_path / "file")


def test_a_file_that_cannot_grow_is_a_clear_error_and_no_hang(tensorboard, tmp_path):
    with EventWriter(tmp_path) as writer:
        size = next(tmp_path.iterdir()).stat().st_size
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            for step in range(20):
                with pytest.raises(RunError, match="File too large"):
                    writer.write(step, {"train/loss": 0.5})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_without_tensorboard_there_is_one_note(without_tensorboard, tmp_path):
    notes = []
    assert open_events(tmp_path, notes.append) is None
    assert notes == [
        "no TensorBoard events: writing TensorBoard events needs the package 'tensorboard', which is not installed; "
        "pip install 'dlrun[tensorboard]' installs it"
    ]
    with pytest.raises(MissingExtra):
        EventWriter(tmp_path)
