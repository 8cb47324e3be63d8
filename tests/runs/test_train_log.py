import re

import pytest

from dlrun.errors import RunError
from dlrun.runs.train_log import TrainLog


def test_each_line_has_its_time_and_no_colours(tmp_path):
    log = TrainLog(tmp_path / "train.log")
    log.write("epoch 1/2  loss 0.5\n\x1b[32msaved\x1b[0m ä")
    TrainLog(log.path).write("resumed")
    lines = log.path.read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in lines)
    assert [line.split(" ", 1)[1] for line in lines] == ["epoch 1/2  loss 0.5", "saved ä", "resumed"]


def test_an_unwritable_log_is_a_clear_error(tmp_path):
    with pytest.raises(RunError, match=r"can't write .*train\.log"):
        TrainLog(tmp_path / "gone" / "train.log").write("x")
