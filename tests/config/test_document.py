"""Texts to located trees: places, and every way in which a text can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlrun.config.document import Document, parse_file, read_source
from dlrun.config.node import Node, plain
from dlrun.config.problems import LocatedConfigError
from dlrun.config.source import Source

TEXT = """\
# a comment
name: run 1      # trailing
model:
  layers:
    - {type: dense, units: -5}
    - flatten
    - type: conv2d   # block
      filters: 32
optimizer: {type: adam,
            learning_rate: 1e-3}
note: >
  folded
  text
"""


def tree(text: str) -> Node:
    parsed = parse_file(Source("c.yaml", text))
    assert parsed.problems == []
    return parsed.root


def report(text: str) -> str:
    """All problems of a text, printed."""
    try:
        parsed = parse_file(Source("c.yaml", text))
    except LocatedConfigError as error:
        return error.render()
    return LocatedConfigError(parsed.problems, "c.yaml").render()


def first_lines(text: str) -> list[str]:
    return [line for line in report(text).splitlines() if line.startswith("c.yaml")]


@pytest.mark.parametrize(
    ("path", "at_key", "place"),
    [
        (("name",), False, (2, 7, 5)),
        (("name",), True, (2, 1, 4)),
        (("model", "layers"), False, (5, 5, 26)),
        (("model", "layers", 0), False, (5, 7, 24)),
        (("model", "layers", 0, "units"), False, (5, 28, 2)),
        (("model", "layers", 0, "units"), True, (5, 21, 5)),
        (("model", "layers", 1), False, (6, 7, 7)),
        (("model", "layers", 2), False, (7, 7, 12)),
        (("model", "layers", 2, "filters"), False, (8, 16, 2)),
        (("optimizer",), False, (9, 12, 11)),
        (("optimizer", "learning_rate"), False, (10, 28, 4)),
        (("note",), False, (11, 7, 1)),
        (("model", "layers", 0, "rate"), False, (5, 7, 24)),
        (("model", "layers", 9), False, (5, 5, 26)),
        (("training", "epochs"), False, (2, 1, 11)),
    ],
)
def test_places(path: tuple[str | int, ...], at_key: bool, place: tuple[int, int, int]) -> None:
    span = Document(tree(TEXT), "c.yaml").span(path, at_key)
    assert (span.line, span.column, span.width) == place


def test_plain_tree() -> None:
    found = plain(tree(TEXT))
    assert found["model"]["layers"] == [{"type": "dense", "units": -5}, "flatten", {"type": "conv2d", "filters": 32}]
    assert found["optimizer"] == {"type": "adam", "learning_rate": 0.001}
    assert found["note"] == "folded text\n"


def test_windows_lines_and_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: [x, y]\r\n")
    source, content = read_source(str(file))
    span = Document(parse_file(source).root, "c.yaml").span(("b", "c", 1))
    assert (span.line, span.column, span.width) == (3, 10, 1)
    assert content == file.read_bytes()


def test_quoted_scalars_are_strings() -> None:
    assert plain(tree("a: '1'\nb: \"true\"\nc: |\n  5\n")) == {"a": "1", "b": "true", "c": "5\n"}


def test_keys_are_text() -> None:
    assert list(plain(tree("0: a\nno: b\n1e3: c\n'x y': d\n~: e\n"))) == ["0", "no", "1e3", "x y", "~"]


def test_anchors_aliases_and_merge_keys() -> None:
    root = tree("base: &b {type: dense, units: 3}\nlist:\n  - *b\n  - {<<: *b, units: 4}\n  - {<<: [{units: 9}, *b]}\n")
    assert plain(root)["list"] == [
        {"type": "dense", "units": 3},
        {"type": "dense", "units": 4},
        {"type": "dense", "units": 9},
    ]
    document = Document(root, "c.yaml")
    assert document.span(("list", 0)).line == 3
    assert document.span(("list", 0, "units")).line == 1
    assert document.span(("list", 1, "units")).line == 4


def test_quoted_merge_key_is_a_key() -> None:
    assert plain(tree("'<<': {a: 1}")) == {"<<": {"a": 1}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "c.yaml: error: the config is empty"),
        ("# only a comment\n", "c.yaml: error: the config is empty"),
        ("--- \n", "c.yaml: error: the config is empty"),
        ("~", "c.yaml: error: the config is empty"),
        ("- a\n- b\n", "c.yaml:1:1: error: a config is a mapping of fields, such as 'seed: 0'"),
        ("just text", "c.yaml:1:1: error: a config is a mapping of fields, such as 'seed: 0'"),
        ("a: 1\nb: 2\na: 3\n", "c.yaml:3:1: error: duplicate key 'a'"),
        ("a: {x: 1, 'x': 2}\n", "c.yaml:1:11: error: duplicate key 'x'"),
        ("a: 1\n--- \nb: 2\n", "c.yaml:2:1: error: a second YAML document starts here"),
        ("a: !!python/name:os.system x\n",
         "c.yaml:1:4: error: the tag '!!python/name:os.system' isn't allowed in a config"),
        ("a: !!str 5\n", "c.yaml:1:4: error: the tag '!!str' isn't allowed in a config"),
        ("a: !mine [1]\n", "c.yaml:1:4: error: the tag '!mine' isn't allowed in a config"),
        ("a:\n\t- b\n", "c.yaml:2:1: error: a tab can't indent YAML"),
        ("a: b: c\n", "c.yaml:1:5: error: a ': ' isn't allowed here"),
        ("a: [1, 2\nb: 3\n", "c.yaml:2:2: error: expected ',' or ']' here"),
        ("a: 'text\n", "c.yaml:1:4: error: this string has no end"),
        ("a: *nothing\n", "c.yaml:1:4: error: there is no anchor '&nothing' before this alias"),
        ("a: &x [1, *x]\n", "c.yaml:1:11: error: the value of '&x' contains itself"),
        ("a: @x\n", "c.yaml:1:4: error: a value can't start with '@'"),
        ("a: 1\n  b: 2\n", "c.yaml:2:4: error: a ': ' isn't allowed here"),
        ("a:\n  - 1\n b: 2\n", "c.yaml:3:2: error: this doesn't fit in here"),
        ("? [a, b]\n: 1\n", "c.yaml:1:3: error: a key must be a name"),
        ("a: 1\nb: \x01\n", "c.yaml:2:4: error: the character U+0001 isn't allowed in YAML"),
        ("a: 1e999\n", "c.yaml:1:4: error: this number is too large for a float; infinity is written .inf"),
        ("a: {<<: 5}\n", "c.yaml:1:9: error: '<<' merges a mapping, or a list of mappings"),
        ("a: " + "[" * 100 + "]" * 100, "c.yaml:1:64: error: values are nested more than 60 deep"),
        ("a:\nb\n", "c.yaml:2:1: error: this needs a ':' after its key"),
    ],
)  # fmt: skip
def test_wrong_texts(text: str, expected: str) -> None:
    assert first_lines(text) == [expected]


def test_problems_that_leave_a_tree_are_collected() -> None:
    assert first_lines("a: 1\na: !x 2\nb: 1e999\n") == [
        "c.yaml:2:1: error: duplicate key 'a'",
        "c.yaml:2:4: error: the tag '!x' isn't allowed in a config",
        "c.yaml:3:4: error: this number is too large for a float; infinity is written .inf",
    ]


def test_aliases_cannot_explode() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (line,) = first_lines("\n".join(lines))
    assert line.endswith("error: the config has more than 50000 values, its aliases written out")


def test_missing_file(tmp_path: Path) -> None:
    name = str(tmp_path / "none.yaml")
    with pytest.raises(LocatedConfigError) as caught:
        read_source(name)
    assert caught.value.render() == f"{name}: error: there is no file '{name}'\n1 problem in {name}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PK\x03\x04\x00\x00", ": error: 'FILE' is not a text file"),
        (b"a: 1\nb: caf\xe9\n", ":2:7: error: byte 0xe9 is not UTF-8"),
        (b"x" * (1 << 21), ": error: 'FILE' has more than 1 MiB"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(content)
    with pytest.raises(LocatedConfigError) as caught:
        read_source(str(file))
    assert caught.value.render().splitlines()[0] == str(file) + expected.replace("FILE", str(file))


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(LocatedConfigError, match="is a directory"):
        read_source(str(tmp_path))


def test_name_that_no_file_can_have() -> None:
    with pytest.raises(LocatedConfigError, match="can't be read"):
        read_source("a\0b")
