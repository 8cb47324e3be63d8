"""dlrun compare and dlrun diff: what they print on terminals, in pipes, and as JSON."""

import json
import os
import re
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A workplace with two runs of different learning rates, small-1 and small-2; not to be changed."""
    from tests.cli.commands import CONFIG, Workplace

    place = Workplace(tmp_path_factory.mktemp("compare"))
    place.write(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlrun.training.recording.draw_curves", lambda *arguments: None)
        place.call("train", "small.yaml")
        place.call("train", "small.yaml", "optimizer.learning_rate=0.02")
    return place


def test_a_comparison_in_a_pipe(place):
    printed = place.call("compare", "small-1", "latest").stdout
    lines = printed.splitlines()
    assert lines[0].split() == ["metric", "small-1", "small-2"]
    assert re.search(r"^best validation/accuracy +0\.\d+ +0\.\d+$", printed, re.MULTILINE)
    assert "\x1b" not in printed
    assert max(map(len, lines)) <= 100


def test_a_narrow_terminal_has_paragraphs_and_a_plot_that_fits(place):
    if os.name != "posix":
        pytest.skip("needs a pseudo-terminal")
    import fcntl
    import pty
    import struct
    import termios

    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 34, 0, 0))
    command = [sys.executable, "-m", "dlrun", "compare", "small-1", "small-2", "-m", "validation/loss"]
    environment = {name: value for name, value in place.environment().items() if name != "COLUMNS"}
    process = subprocess.Popen(command, stdout=writer, cwd=place.folder, env=environment)
    os.close(writer)
    seen = b""
    try:
        while part := os.read(reader, 65536):
            seen += part
    except OSError:  # the terminal's other end is closed: all is read
        pass
    os.close(reader)
    assert process.wait(timeout=100) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", seen.decode()).splitlines()
    assert "metric: best validation/loss" in lines
    pytest.importorskip("uniplot", reason="needs uniplot (the extra plots)")
    plot = lines[next(number for number, line in enumerate(lines) if line.startswith("┌")) - 1 :]
    assert len(plot) > 15
    assert max(map(len, plot)) <= 34


def test_its_curves_are_drawn_with_letters(place):
    pytest.importorskip("uniplot", reason="needs uniplot (the extra plots)")
    printed = place.call("compare", "small-1", "small-2", "-m", "validation/loss").stdout
    assert printed.count("by epoch") == 1
    assert "++ small-1   xx small-2" in printed
    assert "accuracy" not in printed


def test_json_and_a_picture_draws_too(place):
    pytest.importorskip("matplotlib", reason="needs matplotlib (the extra plots)")
    first, second = json.loads(place.call("compare", "small-1", "small-2", "--json", "-o", "both.svg").stdout)
    assert (first["name"], second["name"]) == ("small-1", "small-2")
    assert first["metrics"]["train/loss"] != second["metrics"]["train/loss"]
    assert "<svg" in (place.folder / "both.svg").read_text()


def test_without_uniplot_the_table_stands_and_a_note(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "uniplot", None)
    done = place.call("compare", "small-1", "small-2")
    assert "validation/loss" in done.stdout
    assert "NOTE: no curves" in done.stderr


def test_a_diff(place):
    lines = place.call("diff", "small-1", "small-2").stdout.splitlines()
    assert lines[2:4] == ["config", "  optimizer.learning_rate: 0.01 → 0.02"]
    assert "data" not in lines
    assert lines.index("metrics") > 3
    assert any(line.startswith("  best train/loss: ") for line in lines)


def test_a_diff_as_json_and_of_the_same_run(place):
    found = json.loads(place.call("diff", "small-1", "small-2", "--json").stdout)
    assert found["config"] == [{"name": "optimizer.learning_rate", "old": 0.01, "new": 0.02}]
    assert place.call("diff", "small-1", "small-1").stdout.splitlines()[1] == "they differ in nothing but their times"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "small-1"), "two runs"),
        (("compare", "small-1", "small-3"), "no run 'small-3'"),
        (("compare", "small-1", "small-2", "-m", "f1"), "no"),
        (("compare", "small-1", "small-2", "-o", "both.pdf"), "both.pdf"),
        (("diff", "small-1", "small-3"), "no run 'small-3'"),
    ],
)
def test_mistakes(place, arguments, message):
    assert message in place.call(*arguments, expect=2).stderr
