"""parallel_text and multi30k: the same row in every file, and what is said of files that differ."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from pydantic import ValidationError

from dlrun.data.load import load, probe
from dlrun.data.sources.parallel_text import lines_in_order
from dlrun.errors import DataError
from tests.data.making import data_config
from tests.data.test_named_sources import real_folder

TOKENS = {"type": "tokenize", "start_token": "<s>", "end_token": "</s>"}
INPUTS = {
    "en": {"transforms": ["tokenize", {"type": "pad", "length": 4}]},
    "de": {"transforms": [TOKENS, {"type": "pad", "length": 6}]},
}
TARGET = {"input": "de", "shift": 1}


def parallel(**fields):
    source = {"type": "parallel_text", "train": {"en": "a.en", "de": "a.de"}, **fields}
    return data_config(source=source, inputs=INPUTS, target=TARGET)


@pytest.fixture(autouse=True)
def files(own_place: Path) -> None:
    Path("a.en").write_text("a dog\n\n two men \na man\n")
    Path("a.de").write_text("ein Hund\nleer\nzwei Männer\nein Mann\n", "utf8")
    Path("t.en.gz").write_bytes(gzip.compress(b"two dogs"))
    Path("t.de.gz").write_bytes(gzip.compress(b"zwei Hunde"))


def test_rows_stand_side_by_side_and_the_target_is_the_next_token() -> None:
    dataset = load(parallel(test={"en": "t.en.gz", "de": "t.de.gz"}), 0)
    train, test = dataset.splits["train"], dataset.splits["test"]
    words = {name: dataset.signature.inputs[name].classes for name in ("en", "de")}
    assert words["de"][:4] == ("<pad>", "<unknown>", "<s>", "</s>")
    assert [[words["en"][i] for i in row if i] for row in train.inputs["en"]] == [
        ["a", "dog"], ["two", "men"], ["a", "man"],
    ]  # fmt: skip
    assert [[words["de"][i] for i in row if i] for row in train.inputs["de"]] == [
        ["<s>", "ein", "Hund", "</s>"], ["<s>", "zwei", "Männer", "</s>"], ["<s>", "ein", "Mann", "</s>"],
    ]  # fmt: skip
    labels = train.targets["target"]
    assert (labels[:, :3] == train.inputs["de"][:, 1:4]).all()
    assert (labels[:, 3:] == -1).all(), "behind the end, and at padding, nothing is to be predicted"
    assert test.rows == 1
    assert [words["de"][i] for i in test.inputs["de"][0]] == ["<s>", "zwei", "<unknown>", "</s>", "<pad>", "<pad>"]
    assert dataset.notes == ("1 rows of which a text is empty are left out",)
    assert probe(parallel(), 0).inputs["en"].classes == words["en"]


def test_only_the_columns_that_are_used_are_read() -> None:
    source = {"type": "parallel_text", "train": {"en": "a.en", "de": "a.de", "fr": "a.fr"}}
    Path("a.fr").write_text("one line only")
    assert load(data_config(source=source, inputs=INPUTS, target=TARGET), 0).splits["train"].rows == 3


def test_what_doesnt_go_together_is_told() -> None:
    Path("a.de").write_text("ein Hund\n")
    with pytest.raises(DataError, match=r"a\.de has 1 lines, but .*a\.en has 4"):
        load(parallel(), 0)
    Path("a.en").write_text("")
    with pytest.raises(DataError, match=r"a\.en holds no text"):
        load(parallel(), 0)
    with pytest.raises(DataError, match=r"there is no a\.fr"):
        load(data_config(source={"type": "parallel_text", "train": {"fr": "a.fr"}}, target={"column": "fr"}), 0)
    with pytest.raises(ValidationError, match="test has the columns en, but train has en, de"):
        parallel(test={"en": "t.en.gz"})


def test_lines_keep_their_numbers() -> None:
    Path("l").write_text("\n a \n\n")
    assert lines_in_order(Path("l")) == ["", "a", ""]
    Path("l").write_text("")
    assert lines_in_order(Path("l")) == []


def test_multi30k_is_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_DATASETS", str(real_folder("multi30k")))
    dataset = load(data_config(source="multi30k", inputs=INPUTS, target=TARGET, split={"type": "given"}), 0)
    assert {name: split.rows for name, split in dataset.splits.items()} == {
        "train": 29_000, "validation": 1014, "test": 1000,
    }  # fmt: skip
    assert not dataset.notes
