"""dlrun find-lr: what it prints, writes, and refuses."""

import csv
import json
import re
import shlex

import pytest

from tests.cli.commands import CONFIG

SHORT = ("--steps", "60", "--min", "1e-5", "--max", "10")


@pytest.fixture
def written(place):
    place.write(CONFIG)
    return place


def test_the_printed_command_trains(written):
    printed = written.call("find-lr", "small.yaml", *SHORT, "training.batch_size=32", "optimizer.learning_rate=5")
    assert printed.stdout.splitlines()[-1].startswith("dlrun train small.yaml training.batch_size=32 optimizer.")
    table = re.search(r"^steep +(\S+) +where the smoothed loss falls fastest", printed.stdout, re.MULTILINE)
    command = shlex.split(printed.stdout.splitlines()[-1])
    assert command[-1] == f"optimizer.learning_rate={table[1]}"
    assert command.count("optimizer.learning_rate=5") == 0
    assert not written.runs.exists()
    written.call(*command[1:], "training.epochs=1")
    assert table[1] in (written.runs / "small-1" / "config.resolved.yaml").read_text()


def test_json_and_csv_have_every_step(written):
    printed = written.call("find-lr", "small.yaml", *SHORT, "--json", "-o", "range.csv")
    found = json.loads(printed.stdout)
    rows = list(csv.DictReader((written.folder / "range.csv").read_text().splitlines()))
    assert [float(row["loss"]) for row in rows] == found["loss"]
    assert [float(row["learning_rate"]) for row in rows] == found["learning_rate"]
    assert [int(row["step"]) for row in rows] == list(range(1, len(rows) + 1))
    assert set(found["suggestions"]) == {"steep", "valley", "minimum"}


def test_it_draws_pictures_and_a_curve(written):
    pytest.importorskip("matplotlib", reason="needs matplotlib (the extra plots)")
    pytest.importorskip("uniplot", reason="needs uniplot (the extra plots)")
    printed = written.call("find-lr", "small.yaml", *SHORT, "-o", "a.png", "-o", "a.svg").stdout
    assert (written.folder / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "learning rate" in (written.folder / "a.svg").read_text() or "<svg" in (written.folder / "a.svg").read_text()
    assert printed.startswith(" ")
    assert "loss by the learning rate's log10" in printed
    assert printed.splitlines()[-2:] == ["a.png", "a.svg"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--min", "1", "--max", "0.1"), "can't grow from 1 to 0.1"),
        (("--steps", "5"), "too few"),
        (("-o", "range.pdf"), "can't write a range test as 'range.pdf'"),
        (("-o", "none/range.png"), "there is no folder none"),
        (("optimizer.learning=1",), "unknown field 'learning'"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(written, arguments, message):
    assert message in written.call("find-lr", "small.yaml", *arguments, expect=2).stderr


def test_sequences_have_learning_rates_too(place):
    (place.folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 40)
    place.write(
        """
data:
  source: {type: text, path: text.txt, stream: true, length: 8}
  inputs: {text: {transforms: [{type: tokenize, level: character}]}}
  target: {input: text, shift: 1}
model: {layers: [{type: embedding, output_dim: 8}, {type: gru, units: 16, return_sequences: true},
  {type: dense, units: 30}]}
loss: cross_entropy
optimizer: adam
""",
        "text.yaml",
    )
    found = json.loads(place.call("find-lr", "text.yaml", *SHORT, "--json").stdout)
    assert found["suggestions"]["steep"] > 1e-5
