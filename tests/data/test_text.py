"""Text: tokens against hand-made expectations, files and streams, and what must not leak."""

from __future__ import annotations

import builtins
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from dlrun.data.layout import Layout
from dlrun.data.load import load
from dlrun.data.predict import load_inputs
from dlrun.data.tokens import join_tokens, split_text
from dlrun.data.transforms import TRANSFORMS
from dlrun.errors import ConfigError, DataError, MissingExtra, ShapeError
from tests.data.making import data_config

REAL = os.environ.get("DLRUN_DATASETS", "")
"""Read at import, before a fixture clears it."""
CHARACTERS = {"type": "tokenize", "level": "character"}
TEXT = ("data", "inputs", "text")
NEXT = {"input": "text", "shift": 1}


def make(name: str, **fields):
    return TRANSFORMS[name].model_validate({"type": name, **fields})


def tokenized(train: list[str], others: list[str], **fields):
    """(vocabulary, ids of the others, tokenizer) of a tokenize that learned from `train`."""
    texts = tuple(dict.fromkeys([*train, *others]))
    layout = Layout("text", (1,), "int32", ("text",), (texts,))
    transform = make("tokenize", **fields)
    rows = np.array([[texts.index(text)] for text in train], np.int32)
    fitted = transform.fit(lambda: iter(np.array_split(rows, 2)), layout)
    ids = transform.apply(np.array([texts.index(text) for text in others], np.int32).reshape(-1, 1), layout, fitted)
    assert transform.after(layout, fitted).values == (tuple(fitted["vocabulary"]),)
    return fitted["vocabulary"], [row.tolist() for row in ids], transform.tokenizer(fitted)


def test_words_and_punctuation_are_tokens() -> None:
    assert split_text("Don't stop: it's 3.5 ’n fun!", "word") == [
        "Don't", "stop", ":", "it's", "3", ".", "5", "’", "n", "fun", "!",
    ]  # fmt: skip
    assert split_text("Größe\nzählt", "word") == ["Größe", "zählt"]
    assert join_tokens(["Well", ",", "(", "yes", ")", "!"], "word") == "Well, (yes)!"


def test_the_most_frequent_come_first_and_equals_by_the_alphabet() -> None:
    vocabulary, ids, tokenizer = tokenized(["b a", "b c", "b c d"], ["c b a z", ""], level="word")
    assert vocabulary == ["<pad>", "<unknown>", "b", "c", "a", "d"]
    assert ids == [[3, 2, 4, 1], []]
    assert tokenizer.decode([2, 3, 0, 0]) == "b c"


def test_size_count_case_and_names() -> None:
    train = ["A a b", "a B c"]
    assert tokenized(train, [], lowercase=True, vocabulary_size=4)[0] == ["<pad>", "<unknown>", "a", "b"]
    assert tokenized(train, [], minimum_count=2)[0] == ["<pad>", "<unknown>", "a"]
    vocabulary, ids, _ = tokenized(
        ["ab"], ["ba?"], level="character", padding_token="_", unknown_token="?", start_token="<", end_token=">"
    )
    assert vocabulary == ["_", "?", "<", ">", "a", "b"]
    assert ids == [[2, 5, 4, 1, 3]], "the text's own ? is no special token"


def test_byte_pairs_merge_what_is_frequent() -> None:
    pytest.importorskip("tokenizers", reason="the extra text is not installed")
    train = ["low lower lowest"] * 3 + ["new newer"]
    fields = {"level": "byte_pair", "vocabulary_size": 2 + 256 + 2}
    vocabulary, ids, tokenizer = tokenized(train, ["low", "ölow <pad>"], **fields)
    assert vocabulary[:2] == ["<pad>", "<unknown>"]
    assert vocabulary[-2:] == ["lo", "low"], "l and o stand side by side nine times, lo and w as often"
    assert len(vocabulary) == 260
    assert all(index > 1 for row in ids for index in row), "every text can be written, and none spells padding"
    assert tokenizer.decode(ids[1]) == "ölow <pad>"
    assert tokenized(train, ["low"], **fields)[0] == vocabulary, "learned anew it is the same"


def test_byte_pairs_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name, *arguments, **options):
        if name == "tokenizers":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtra, match="tokenizers") as caught:
        tokenized(["a"], ["a"], level="byte_pair", vocabulary_size=300)
    assert "dlrun[text]" in caught.value.help


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"level": "byte_pair"}, "needs a vocabulary_size"),
        ({"level": "byte_pair", "vocabulary_size": 200}, "at least 258"),
        ({"start_token": "<s>", "end_token": "<s>"}, "must differ"),
        ({"start_token": "<s>", "end_token": "</s>", "vocabulary_size": 4}, "at least 5"),
    ],
)
def test_fields_that_do_not_fit(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make("tokenize", **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"length": 3}, [[5, 6, 7], [9, 0, 0], [0, 0, 0]]),
        ({"length": 3, "truncate": "start"}, [[6, 7, 8], [9, 0, 0], [0, 0, 0]]),
        ({"length": 3, "padding": "start"}, [[5, 6, 7], [0, 0, 9], [0, 0, 0]]),
        ({}, [[5, 6, 7, 8], [9, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_pad(fields: dict, expected: list) -> None:
    rows = np.empty(3, object)
    rows[:] = [np.array(ids, np.int32) for ids in ([5, 6, 7, 8], [9], [])]
    layout = Layout("tokens", (), "object", ("text",), (("<pad>",),))
    transform = make("pad", **fields)
    fitted = transform.fit(lambda: iter([rows[:1], rows[1:]]), layout)
    after = transform.after(layout, fitted)
    assert after.shape == (len(expected[0]),)
    np.testing.assert_array_equal(transform.apply(rows, layout, fitted), np.array(expected, np.int32), strict=True)


def test_transforms_in_the_wrong_order() -> None:
    tokens = Layout("tokens", (), "object", ("text",), ((),))
    text = Layout("text", (1,), "int32", ("text",), (("a",),))
    for name, layout, fields in [
        ("pad", text, {}), ("tokenize", tokens, {}), ("one_hot", tokens, {}), ("standardize", tokens, {}),
        ("impute", tokens, {"strategy": "mode"}),
    ]:  # fmt: skip
        with pytest.raises(ShapeError):
            make(name, **fields).after(layout, None)


def text_data(source, transforms, **fields):
    return data_config(source=source, inputs={"text": {"transforms": transforms}}, **fields)


def write(path: Path, *lines: str, encoding: str = "utf8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = ("\n".join(lines) + "\n").encode(encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_a_file_for_each_class(own_place: Path) -> None:
    write(own_place / "r/film.pos", "good", "", "  fine \r", "très\x85 bien", encoding="latin1")
    write(own_place / "r/film.neg", "bad")
    write(own_place / "r/README.md", "no class")
    source = {"type": "text", "path": "r", "files": "film.*", "encoding": "latin1"}
    dataset = load(text_data(source, ["tokenize", "pad"]), 0)
    assert dataset.signature.target.classes == ("neg", "pos")
    assert dataset.splits["train"].targets["target"].tolist() == [0, 1, 1, 1], "a next-line character ends no line"
    with pytest.raises(DataError, match="isn't utf8 text"):
        load(text_data({**source, "encoding": "utf8"}, ["tokenize", "pad"]), 0)


def test_folders_for_classes_and_splits(own_place: Path) -> None:
    write(own_place / "r/train/good/1.txt", "a b", "c")
    write(own_place / "r/train/bad/1.txt.gz", "d")
    write(own_place / "r/test/good/7.txt", "c c")
    dataset = load(text_data({"type": "text", "path": "r"}, ["tokenize", {"type": "pad", "length": 4}]), 0)
    assert dataset.signature.target.classes == ("bad", "good")
    train, test = dataset.splits["train"], dataset.splits["test"]
    vocabulary = dataset.signature.inputs["text"].classes
    assert vocabulary == ("<pad>", "<unknown>", "a", "b", "c", "d")
    assert train.inputs["text"].tolist() == [[5, 0, 0, 0], [2, 3, 4, 0]], "a file is one example"
    assert test.inputs["text"].tolist() == [[4, 4, 0, 0]]
    write(own_place / "r/test/odd/1.txt", "x")
    with pytest.raises(DataError, match=r"'odd'.*no training text"):
        load(text_data({"type": "text", "path": "r"}, ["tokenize", "pad"]), 0)


def test_the_vocabulary_and_length_are_those_of_the_training_rows(own_place: Path) -> None:
    write(own_place / "t.csv", "text,label", *[f"word{row} {'x ' * (row % 7)},{row % 2}" for row in range(60)])
    pytest.importorskip("polars", reason="the extra tables is not installed")
    config = text_data({"type": "csv", "path": "t.csv"}, ["tokenize", "pad"], target="label", split={"validation": 0.5})
    dataset = load(config, 0)
    feature, train = dataset.signature.inputs["text"], dataset.splits["train"]
    assert set(feature.classes) == {"<pad>", "<unknown>", "x", *(f"word{row}" for row in train.index)}
    validation = dataset.splits["validation"].inputs["text"]
    assert (validation[:, 0] == 1).all(), "no word of theirs is known"
    assert (train.inputs["text"][:, 0] > 1).all()
    assert (feature.kind, feature.stored_dtype) == ("sequence", "int32")


def test_several_columns_follow_one_another_and_tabs_with_quotes(own_place: Path) -> None:
    pytest.importorskip("polars", reason="the extra tables is not installed")
    write(own_place / "t.tsv", 'ham\tsay "b\tc', "spam\tc\tnull")
    config = data_config(
        source={
            "type": "csv", "path": "t.tsv", "delimiter": "\t", "header": False, "names": ["label", "one", "two"],
            "quote": None, "missing": [],
        },
        inputs={"text": {"columns": ["one", "two"], "transforms": ["tokenize", "pad"]}},
        target="label",
    )  # fmt: skip
    dataset = load(config, 0)
    words = np.array(dataset.signature.inputs["text"].classes)
    assert words[dataset.splits["train"].inputs["text"]].tolist() == [
        ["say", '"', "b", "c"], ["c", "null", "<pad>", "<pad>"],
    ]  # fmt: skip


def test_missing_text_and_text_that_is_not_padded(own_place: Path) -> None:
    pytest.importorskip("polars", reason="the extra tables is not installed")
    write(own_place / "t.csv", "text,label", "a,0", ",1")
    source = {"type": "csv", "path": "t.csv"}
    with pytest.raises(DataError, match="missing values, which tokenize can't take"):
        load(text_data(source, ["tokenize", "pad"], target="label"), 0)
    blank = {"type": "impute", "strategy": "constant", "value": ""}
    assert load(text_data(source, [blank, "tokenize", "pad"], target="label"), 0).splits["train"].rows == 2
    with pytest.raises(ConfigError) as caught:
        load(text_data(source, [blank, "tokenize"], target="label"), 0)
    assert "add pad" in caught.value.problems[0].help


def stream(length: int, stride: int | None = None, **fields):
    source = {"type": "text", "path": "s.txt", "stream": True, "length": length, "stride": stride}
    return text_data(source, fields.pop("transforms", [CHARACTERS]), target=fields.pop("target", NEXT), **fields)


def text_of(dataset, ids) -> str:
    return "".join(dataset.signature.inputs["text"].classes[index] for index in ids)


def test_a_stream_in_windows_whose_targets_are_the_next_tokens(own_place: Path) -> None:
    random = np.random.default_rng(0)
    text = "".join(random.choice(list("abcdef  \n"), 4000))
    (own_place / "s.txt").write_text(text)
    dataset = load(stream(16, 8, split={"validation": 0.25}), 0)
    pieces = {}
    for name, split in dataset.splits.items():
        ids, labels = split.inputs["text"], split.targets["target"]
        np.testing.assert_array_equal(ids[:, 1:], labels[:, :-1])
        assert labels.dtype == np.int32
        windows = [text_of(dataset, row) for row in ids]
        pieces[name] = windows[0] + "".join(window[8:] for window in windows[1:])
        assert split.index.tolist() == list(range(split.rows))
    start = text.index(pieces["validation"][:64])
    assert text.startswith(pieces["train"])
    assert len(pieces["train"]) < start, "no character, not even a target, is in two splits"
    assert 0.7 < start / len(text) < 0.8
    target = dataset.signature.target
    assert (target.kind, target.shape, target.classes) == ("labels", (16,), dataset.signature.inputs["text"].classes)
    again = load(stream(16, 8, split={"validation": 0.25}), 0, dataset.fitted)
    assert again.fingerprint == dataset.fingerprint
    np.testing.assert_array_equal(again.splits["train"].inputs["text"], dataset.splits["train"].inputs["text"])
    assert load(stream(16, 8, split={"validation": 0.25}, limit=5), 1).splits["train"].rows == 5
    assert load(stream(16, 4, split={"validation": 0.25}), 0).fingerprint != dataset.fingerprint


def test_what_a_stream_can_not_be(own_place: Path) -> None:
    (own_place / "s.txt").write_text("to be or not to be " * 40)
    for config, place in [
        (stream(8, split={"validation": 0.1, "type": "random"}), ("data", "split", "type")),
        (stream(8, transforms=[{**CHARACTERS, "end_token": "<end>"}]), (*TEXT, "transforms", 0, "end_token")),
        (stream(8, transforms=[CHARACTERS, "pad"]), TEXT),
        (stream(8, target={"column": "text"}), ("data", "target")),
    ]:  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            load(config, 0)
        assert caught.value.problems[0].path == place
    with pytest.raises(DataError, match="a window needs 301"):
        load(stream(300, split={"validation": 1}), 0)
    for fields in ({"stream": True}, {"length": 3}):
        with pytest.raises(ValidationError):
            text_data({"type": "text", "path": "s.txt", **fields}, [CHARACTERS])


def test_next_tokens_of_lines_leave_padding_out(own_place: Path) -> None:
    write(own_place / "n.txt", "ab", "abcd")
    ends = {**CHARACTERS, "start_token": "<", "end_token": ">"}
    dataset = load(text_data({"type": "text", "path": "n.txt"}, [ends, {"type": "pad", "length": 5}], target=NEXT), 0)
    train = dataset.splits["train"]
    assert train.inputs["text"].tolist() == [[2, 4, 5, 3, 0], [2, 4, 5, 6, 7]]
    assert train.targets["target"].tolist() == [[4, 5, 3, -1, -1], [4, 5, 6, 7, -1]]
    own = load(text_data({"type": "text", "path": "n.txt"}, [CHARACTERS, "pad"], target={"input": "text"}), 0)
    assert own.splits["train"].targets["target"].tolist() == [[2, 3, -1, -1], [2, 3, 4, 5]]
    for shift in (5, 9):
        with pytest.raises(ConfigError, match="none is"):
            load(text_data({"type": "text", "path": "n.txt"}, [ends, {"type": "pad", "length": 5}],
                           target={"input": "text", "shift": shift}), 0)  # fmt: skip
    with pytest.raises(ValidationError, match="shift goes with an input"):
        data_config(source="iris", target={"column": "x", "shift": 1})


def test_new_texts_go_through_what_was_learned(own_place: Path) -> None:
    write(own_place / "r/a.txt", "red red green")
    write(own_place / "r/b.txt", "blue")
    config = text_data({"type": "text", "path": "r"}, ["tokenize", {"type": "pad", "length": 3}])
    dataset = load(config, 0)
    write(own_place / "new.txt", "blue unheard", "", "red")
    split = load_inputs(config, dataset.fitted, dataset.signature, [own_place / "new.txt"], ["green"])
    known = dataset.signature.inputs["text"].classes
    blue, red, green = (known.index(word) for word in ("blue", "red", "green"))
    assert split.inputs["text"].tolist() == [[blue, 1, 0], [red, 0, 0], [green, 0, 0]]
    with pytest.raises(DataError, match="nothing to predict"):
        load_inputs(config, dataset.fitted, dataset.signature, [], [])


@pytest.mark.parametrize(
    ("name", "rows", "classes"),
    [("rt_polarity", 10_662, ("negative", "positive")), ("names", 32_033, None), ("tiny_shakespeare", 17_428, None)],
)
def test_real_sets(name: str, rows: int, classes, monkeypatch: pytest.MonkeyPatch) -> None:
    if not any((Path(entry) / name).is_dir() for entry in REAL.split(os.pathsep) if entry):
        pytest.skip(f"no folder of DLRUN_DATASETS holds {name}")
    monkeypatch.setenv("DLRUN_DATASETS", REAL)
    transforms = [CHARACTERS] if name == "tiny_shakespeare" else [CHARACTERS, {"type": "pad", "length": 20}]
    dataset = load(text_data(name, transforms, **({} if classes else {"target": NEXT})), 0)
    assert dataset.splits["train"].rows == rows
    if classes:
        assert dataset.signature.target.class_counts == (rows // 2, rows // 2)
    else:
        letters = {"names": 26, "tiny_shakespeare": 65}[name]
        assert len(dataset.signature.target.classes) == 2 + letters
