import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlrun.errors import RunError
from dlrun.runs import files
from dlrun.runs.metrics_csv import append_metrics, drop_after_step, read_metrics


def row(epoch, **metrics):
    first = {"epoch": epoch, "step": epoch * 10, "seconds": 0.5, "samples_per_second": 640.0, "learning_rate": 1e-3}
    return {**first, **{name.replace("_", "/", 1): value for name, value in metrics.items()}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


def test_header_and_types(path):
    append_metrics(path, row(1, train_loss=0.1 + 0.2, validation_loss=1))
    append_metrics(path, row(2, train_loss=math.nan))
    assert path.read_text() == (
        "epoch,step,seconds,samples_per_second,learning_rate,train/loss,validation/loss\n"
        "1,10,0.5,640.0,0.001,0.30000000000000004,1.0\n"
        "2,20,0.5,640.0,0.001,nan,\n"
    )
    first, second = read_metrics(path).rows
    assert first == row(1, train_loss=0.1 + 0.2, validation_loss=1.0)
    assert isinstance(first["epoch"], int)
    assert isinstance(first["validation/loss"], float)
    assert math.isnan(second["train/loss"])
    assert second["validation/loss"] is None


@given(value=st.floats())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_floats_read_back_to_the_same_bits(path, value):
    path.unlink(missing_ok=True)
    append_metrics(path, row(1, train_loss=value))
    (found,) = read_metrics(path).series("train/loss")[1]
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_a_new_name_adds_a_column(path):
    append_metrics(path, row(1, train_loss=1.0))
    append_metrics(path, row(2, train_loss=0.5, validation_loss=0.6))
    history = read_metrics(path)
    assert history.columns[-2:] == ("train/loss", "validation/loss")
    assert history.series("validation/loss") == ([2], [0.6])
    assert history.series("none") == ([], [])


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_row_that_a_kill_cut_short_is_left_out(path, cut):
    append_metrics(path, row(1, train_loss=1.0))
    whole = path.read_bytes()
    append_metrics(path, row(2, train_loss=0.5))
    path.write_bytes(path.read_bytes()[: len(whole) + min(cut, len(path.read_bytes()) - len(whole) - 1)])
    assert [each["epoch"] for each in read_metrics(path).rows] == [1]
    append_metrics(path, row(2, train_loss=0.25))
    assert read_metrics(path).series("train/loss") == ([1, 2], [1.0, 0.25])


def test_a_header_that_a_kill_cut_short_is_left_out(path):
    path.write_text("epoch,st")
    assert read_metrics(path).rows == ()
    assert drop_after_step(path, 0) == 0
    append_metrics(path, row(1, train_loss=1.0))
    assert len(read_metrics(path).rows) == 1


def test_resuming_gives_the_same_file_as_never_stopping(path, tmp_path):
    for epoch in range(1, 6):
        append_metrics(path, row(epoch, train_loss=1 / epoch))
    straight = path.read_bytes()
    assert drop_after_step(path, 35) == 2
    for epoch in (4, 5):
        append_metrics(path, row(epoch, train_loss=1 / epoch))
    assert path.read_bytes() == straight
    assert drop_after_step(path, 50) == 0
    assert drop_after_step(tmp_path / "none.csv", 5) == 0
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("loss\n1\n", r"metrics\.csv:1: is no header"),
        ("epoch,step,seconds,samples_per_second,learning_rate\n1,10\n", r":2: is damaged: 2 values"),
        ("epoch,step,seconds,samples_per_second,learning_rate\n1,10,x,1,1\n", r":2: .*'x' is no number"),
        ("epoch,step,seconds,samples_per_second,learning_rate\n1.5,10,1,1,1\n", r":2: .*'1.5' is no number"),
        ("epoch,step,seconds,samples_per_second,learning_rate\n,10,1,1,1\n", r":2: .*no epoch"),
        ('epoch,step\n"1"x\n', "damaged"),
    ],
)
def test_damage_is_named_and_left_alone(path, content, message):
    path.write_text(content)
    # Not append_metrics: it reads no rows, and a run begins by drop_after_step, which does.
    for use in (read_metrics, lambda path: drop_after_step(path, 0)):
        with pytest.raises(RunError, match=message):
            use(path)
    assert path.read_text() == content


def test_a_failed_write_leaves_the_rows(path, monkeypatch):
    append_metrics(path, row(1, train_loss=1.0))
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    for change in (lambda: append_metrics(path, row(2, train_loss=0.5)), lambda: drop_after_step(path, 0)):
        with pytest.raises(RunError, match="No space left on device"):
            change()
    assert path.read_bytes() == before
