"""csv and parquet."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from dlrun.data.load import load, probe
from dlrun.errors import ConfigError, DataError
from tests.data.making import data_config, write_csv

pytest.importorskip("polars", reason="the extra tables is not installed")

ROWS = {
    "age": [20, 30, None, 50, 60, 70],
    "town": ["Ulm", "Köln", "Ulm", None, "Bonn", "Bonn"],
    "price": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5],
    "kind": ["b", "a", "b", "a", "b", "a"],
    "rooms": [3, 1, 2, 3, 1, 2],
}


def table(**fields):
    fields.setdefault("source", {"type": "csv", "path": "t.csv"})
    return data_config(**fields)


@pytest.fixture(autouse=True)
def files(own_place: Path) -> None:
    write_csv(own_place / "t.csv", ROWS)


FULL = {
    "inputs": {
        "numbers": {"columns": ["age", "price"], "transforms": [{"type": "impute", "strategy": "median"}]},
        "town": {"transforms": [{"type": "impute", "strategy": "constant", "value": "?"}, "one_hot"]},
    },
    "target": {"column": "kind"},
}


def test_columns_become_inputs_and_classes() -> None:
    dataset = load(table(**FULL), 0)
    train = dataset.splits["train"]
    np.testing.assert_array_equal(train.inputs["numbers"][:, 0], np.float32([20, 30, 50, 50, 60, 70]))
    assert dataset.signature.inputs["town"].columns == ("town=?", "town=Bonn", "town=Köln", "town=Ulm")
    np.testing.assert_array_equal(train.inputs["town"].argmax(1), [3, 2, 3, 0, 1, 1])
    assert train.targets["target"].tolist() == [1, 0, 1, 0, 1, 0]
    assert dataset.signature.target.classes == ("a", "b")
    assert probe(table(**FULL), 0) == dataset.signature


def test_gz_delimiter_names_and_parquet_are_the_same_data(own_place: Path) -> None:
    import polars

    expected = load(table(**FULL), 0)
    text = (own_place / "t.csv").read_text()
    (own_place / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    (own_place / "b.csv").write_text("\n".join(text.replace(",", ";").splitlines()[1:]))
    (own_place / "c.csv").write_bytes(text.encode("latin1"))
    polars.read_csv(own_place / "t.csv").write_parquet(own_place / "d.parquet")
    for source in (
        {"type": "csv", "path": "a.csv.gz"},
        {"type": "csv", "path": "b.csv", "delimiter": ";", "header": False, "names": list(ROWS)},
        {"type": "csv", "path": "c.csv", "encoding": "latin1"},
        {"type": "parquet", "path": "d.parquet"},
    ):
        dataset = load(table(source=source, **FULL), 0)
        assert dataset.fingerprint == expected.fingerprint
        np.testing.assert_array_equal(dataset.splits["train"].inputs["town"], expected.splits["train"].inputs["town"])


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ({"column": "rooms"}, "labels"),
        ({"column": "rooms", "kind": "numbers"}, "numbers"),
        ({"column": "rooms", "transforms": ["standardize"]}, "numbers"),
        ({"column": "price"}, "numbers"),
        ({"column": "price", "kind": "classes"}, "labels"),
        ({"column": "kind"}, "labels"),
    ],
)
def test_which_targets_are_classes(target: dict, kind: str) -> None:
    signature = load(table(inputs={"x": {"columns": ["price"]}}, target=target), 0).signature
    assert signature.target.kind == kind
    assert signature.target.shape == ()
    if target == {"column": "rooms"}:
        assert signature.target.classes == ("1", "2", "3")


def test_classes_that_are_numbers_are_in_the_order_of_numbers(own_place: Path) -> None:
    write_csv(own_place / "n.csv", {"x": list(range(6)), "y": [10, 9, 100, 9, 10, 100]})
    dataset = load(table(source={"type": "csv", "path": "n.csv"}, target="y"), 0)
    assert dataset.signature.target.classes == ("9", "10", "100")
    assert dataset.splits["train"].targets["target"].tolist() == [1, 0, 2, 0, 1, 2]


def test_dropped_rows_are_in_no_split() -> None:
    inputs = {
        "age": {"transforms": [{"type": "impute", "strategy": "drop"}]},
        "town": {"transforms": [{"type": "impute", "strategy": "drop"}, "categories"]},
    }
    dataset = load(table(inputs=inputs, target="kind"), 0)
    assert dataset.splits["train"].index.tolist() == [0, 1, 4, 5]
    assert dataset.signature.inputs["town"].classes == ("Bonn", "Köln", "Ulm")
    assert dataset.splits["train"].inputs["town"].tolist() == [2, 1, 0, 0]


def test_several_targets_and_sample_weights() -> None:
    config = table(
        inputs={"x": {"columns": ["price"]}},
        target={"where": {"column": "kind"}, "what": {"columns": ["price", "rooms"], "transforms": ["standardize"]}},
        sample_weights="rooms",
    )
    dataset = load(config, 0)
    assert list(dataset.signature.targets) == ["where", "what"]
    train = dataset.splits["train"]
    assert train.weights.tolist() == ROWS["rooms"]
    what = dataset.signature.targets["what"]
    np.testing.assert_allclose(what.to_units(train.targets["what"])[:, 0], ROWS["price"], rtol=1e-6)
    np.testing.assert_allclose(what.to_units(train.targets["what"])[:, 1], ROWS["rooms"], rtol=1e-6)


@pytest.mark.parametrize("transforms", [["standardize"], ["min_max"], ["log1p"], ["log1p", "min_max", "standardize"]])
def test_predictions_come_back_in_the_targets_units(transforms: list[str]) -> None:
    config = table(
        inputs={"x": {"columns": ["age"], "transforms": ["impute"]}},
        target={"column": "price", "transforms": transforms},
    )
    dataset = load(config, 0)
    units = dataset.signature.target.to_units(dataset.splits["train"].targets["target"])
    np.testing.assert_allclose(units, ROWS["price"], rtol=1e-5)


def test_chronological_split_by_a_column() -> None:
    split = {"type": "chronological", "sort_by": "age", "test": 2}
    inputs = {"x": {"columns": ["price", "age"], "transforms": [{"type": "impute", "strategy": "drop"}]}}
    with pytest.raises(ConfigError, match="has missing values and gives no order"):
        load(table(inputs=inputs, target="kind", split=split), 0)
    split["sort_by"] = "rooms"
    dataset = load(table(inputs=inputs, target="kind", split=split), 0)
    assert dataset.splits["test"].index.tolist() == [0, 3]


MISTAKES = [
    ({"target": "knd"}, ("data", "target", "column"), "no column 'knd'", "did you mean 'kind'"),
    ({}, ("data", "source"), "doesn't say which column", "target:"),
    (
        {"inputs": {"x": {"columns": ["age", "Price"]}}, "target": "kind"},
        ("data", "inputs", "x", "columns", 1),
        "no column 'Price'",
        "did you mean 'price'",
    ),
    (
        {"inputs": {"x": {"columns": ["age", "town"]}}, "target": "kind"},
        ("data", "inputs", "x", "columns", 1),
        "'town' holds text, such as 'Bonn'",
        "an input of its own",
    ),
    ({"inputs": {"town": {}}, "target": "kind"}, ("data", "inputs", "town"), "holds text", "one_hot"),
    (
        {"inputs": {"town": {"transforms": ["standardize"]}}, "target": "kind"},
        ("data", "inputs", "town", "transforms", 0),
        "takes numbers",
        "one_hot",
    ),
    (
        {"inputs": {"town": {"transforms": [{"type": "impute", "strategy": "mean"}]}}, "target": "kind"},
        ("data", "inputs", "town", "transforms", 0, "strategy"),
        "text has no mean",
        "mode",
    ),
    ({"target": {"columns": ["price", "prize"]}}, ("data", "target", "columns", 1), "no column 'prize'", "'price'"),
    ({"inputs": {"price": {}}, "target": {"input": "prize"}}, ("data", "target", "input"), "no input", "'price'"),
    (
        {"inputs": {"age": {}}, "target": "kind", "sample_weights": "room"},
        ("data", "sample_weights"),
        "no column 'room'",
        "'rooms'",
    ),
    (
        {"inputs": {"age": {}}, "target": {"column": "price", "transforms": ["standardize", "log1p"]}},
        ("data", "target", "transforms", 1),
        "must come before",
        "turned back",
    ),
]


@pytest.mark.parametrize(("fields", "path", "message", "help"), MISTAKES)
def test_mistakes_stand_at_their_place(fields: dict, path: tuple, message: str, help: str) -> None:
    for function in (probe, load):
        with pytest.raises(ConfigError) as caught:
            function(table(**fields), 0)
        (problem,) = caught.value.problems
        assert problem.path == path
        assert message in problem.message
        assert help in problem.help


def test_every_unknown_column_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load(table(inputs={"x": {"columns": ["aeg", "town", "prcie"]}}, target="knid"), 0)
    assert len(caught.value.problems) == 3


def test_problems_of_several_inputs_are_reported_together() -> None:
    resize = {"type": "resize", "height": 1, "width": 1}
    inputs = {"town": {"transforms": ["log1p"]}, "age": {"transforms": [resize]}, "kind": {}}
    with pytest.raises(ConfigError) as caught:
        load(table(inputs=inputs, target="price"), 0)
    assert [problem.path[2] for problem in caught.value.problems] == ["town", "age", "kind"]


def test_missing_values_that_nothing_fills() -> None:
    with pytest.raises(DataError, match="'age' has missing values"):
        load(table(inputs={"x": {"columns": ["price", "age"]}}, target="kind"), 0)
    with pytest.raises(DataError, match="target 'town' is missing in 1 rows"):
        load(table(inputs={"x": {"columns": ["price"]}}, target="town"), 0)


def test_a_class_without_training_rows(own_place: Path) -> None:
    write_csv(own_place / "s.csv", {"x": [1, 2, 3, 4], "y": ["a", "b", "a", "c"]})
    split = {"type": "chronological", "test": 1}
    with pytest.raises(DataError, match="the class 'c', of which no training row is"):
        load(table(source={"type": "csv", "path": "s.csv"}, target="y", split=split), 0)


# Without a time of writing, so that every process that collects the tests names them alike.
CUT = gzip.compress(b"a,b\n" + b"1,2\n" * 999, mtime=0)[:-9]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.csv.gz", CUT, "cut.csv.gz is damaged"),
        ("plain.csv.gz", b"a,b\n1,2\n", "plain.csv.gz is damaged"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "can't read ragged.csv as CSV"),
        ("empty.csv", b"", "can't read empty.csv as CSV"),
        ("head.csv", b"a,b\n", "head.csv holds no rows"),
        ("binary.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary.csv is no CSV file"),
        ("latin.csv", "a,b\nKöln,2\n".encode("latin1"), "can't read latin.csv as CSV"),
        ("text.parquet", b"a,b\n1,2\n", "can't read text.parquet as Parquet"),
    ],
)
def test_damaged_tables_are_named(own_place: Path, name: str, content: bytes, message: str) -> None:
    (own_place / name).write_bytes(content)
    kind = "parquet" if name.endswith("parquet") else "csv"
    with pytest.raises(DataError, match=message):
        load(table(source={"type": kind, "path": name}, inputs={"a": {}}, target="b"), 0)


def test_a_cut_parquet_file(own_place: Path) -> None:
    import polars

    polars.DataFrame({"a": list(range(999)), "b": [0.5] * 999}).write_parquet(own_place / "x.parquet")
    content = (own_place / "x.parquet").read_bytes()
    (own_place / "x.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"can't read x\.parquet as Parquet"):
        load(table(source={"type": "parquet", "path": "x.parquet"}, target="b"), 0)


def test_a_missing_file_says_where_it_was_looked_for(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_DATASETS", str(own_place / "elsewhere"))
    source = {"type": "csv", "path": "datasets/set/t.csv"}
    with pytest.raises(DataError, match=r"there is no datasets/set/t\.csv") as caught:
        load(table(source=source, target="kind"), 0)
    assert str(own_place / "elsewhere/set/t.csv") in caught.value.help
    (own_place / "elsewhere/set").mkdir(parents=True)
    write_csv(own_place / "elsewhere/set/t.csv", ROWS)
    assert load(table(source=source, inputs={"price": {}}, target="kind"), 0).splits["train"].rows == 6
