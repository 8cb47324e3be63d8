"""`extends`: what merges, what replaces, and what can go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlrun.config.document import Document, parse_file, read_source
from dlrun.config.extends import inherit
from dlrun.config.node import Node, plain
from dlrun.config.problems import LocatedConfigError


def load(folder: Path, **files: str) -> Node:
    """Write files, and return the tree of the one called `main`."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    source, _ = read_source(str(folder / "main.yaml"))
    parsed = parse_file(source)
    root = inherit(source, parsed.root, parsed.problems)
    assert parsed.problems == []
    return root


def merged(folder: Path, base: str, main: str) -> Any:
    return plain(load(folder, base=base, main=f"extends: base.yaml\n{main}"))


@pytest.mark.parametrize(
    ("base", "main", "expected"),
    [
        ("a: 1\nb: 2", "b: 3", {"a": 1, "b": 3}),
        ("a: {x: 1, y: {z: 2}}", "a: {y: {w: 3}}", {"a": {"x": 1, "y": {"z": 2, "w": 3}}}),
        ("a: [1, 2, 3]", "a: [4]", {"a": [4]}),
        ("a: {x: 1}", "a: null", {"a": None}),
        ("a: null", "a: {x: 1}", {"a": {"x": 1}}),
        ("o: {type: adam, r: 1}", "o: {r: 2}", {"o": {"type": "adam", "r": 2}}),
        ("o: {type: adam, r: 1}", "o: {type: adam, s: 2}", {"o": {"type": "adam", "r": 1, "s": 2}}),
        ("o: {type: adam, r: 1}", "o: {type: sgd, s: 2}", {"o": {"type": "sgd", "s": 2}}),
        ("o: {type: adam, r: 1}", "o: sgd", {"o": "sgd"}),
        ("o: {type: adam, r: 1}", "o: adam", {"o": {"type": "adam", "r": 1}}),
        ("o: adam", "o: {r: 2}", {"o": {"type": "adam", "r": 2}}),
        ("o: adam", "o: {type: sgd, r: 2}", {"o": {"type": "sgd", "r": 2}}),
        ("o: adam", "o: sgd", {"o": "sgd"}),
    ],
)
def test_merging(tmp_path: Path, base: str, main: str, expected: object) -> None:
    assert merged(tmp_path, base, main) == expected


def test_chain_and_places(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "root.yaml").write_text("a: 1\nb: 2\nc: 3\n")
    (tmp_path / "deep" / "middle.yaml").write_text("extends: root.yaml\nb: 20\n")
    root = load(tmp_path, main="extends: deep/middle.yaml\n\nc: 300\n")
    assert plain(root) == {"a": 1, "b": 20, "c": 300}
    document = Document(root, "main.yaml")
    assert str(document.span(("a",))) == f"{tmp_path}/deep/root.yaml:1:4"
    assert str(document.span(("b",))) == f"{tmp_path}/deep/middle.yaml:2:4"
    assert str(document.span(("c",))) == f"{tmp_path}/main.yaml:3:4"


@pytest.mark.parametrize(
    ("files", "place", "message"),
    [
        ({"main": "a: 1\nextends: none.yaml"}, "main.yaml:2:10", "there is no file 'none.yaml'"),
        ({"main": "extends: main.yaml"}, "main.yaml:1:10", "'main.yaml' extends itself"),
        ({"main": "extends: a.yaml", "a": "extends: ./main.yaml"}, "a.yaml:1:10", "'main.yaml' extends itself"),
        ({"main": "extends: [a.yaml]"}, "main.yaml:1:10", "extends: expected the path of a config, got a list"),
        ({"main": "extends:"}, "main.yaml:1:9", "extends: expected the path of a config, got null"),
        ({"main": "extends: ."}, "main.yaml:1:10", "'.' is a directory"),
        ({"main": "extends: a.yaml", "a": "x: 1\ny: [1"}, "a.yaml:2:6", "expected ',' or ']' here"),
        ({"main": "extends: a.yaml", "a": "- 1"}, "a.yaml:1:1", "a config is a mapping of fields, such as 'seed: 0'"),
        ({"main": "extends: a.yaml", "a": ""}, "a.yaml", "the config is empty"),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], place: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        Path(f"{name}.yaml").write_text(text)
    source, _ = read_source("main.yaml")
    with pytest.raises(LocatedConfigError) as caught:
        inherit(source, parse_file(source).root, [])
    assert caught.value.render().splitlines()[0] == f"{place}: error: {message}"


def test_long_chains(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")
    with pytest.raises(LocatedConfigError, match="more than 20 configs extend one another"):
        load(tmp_path, main="extends: 0.yaml\n")


def test_problems_of_a_base_are_collected(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "main.yaml").write_text("extends: base.yaml\n")
    source, _ = read_source(str(tmp_path / "main.yaml"))
    parsed = parse_file(source)
    inherit(source, parsed.root, parsed.problems)
    assert [str(one.span) for one in parsed.problems] == [f"{tmp_path}/base.yaml:2:1"]
