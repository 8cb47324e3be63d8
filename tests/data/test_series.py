"""Series: which rows stand in which window, what must not leak, and windows that share memory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from dlrun.data.load import load, probe
from dlrun.data.predict import load_inputs
from dlrun.errors import ConfigError, DataError
from tests.data.making import data_config, write_csv

REAL = os.environ.get("DLRUN_DATASETS", "")
"""Read at import, before a fixture clears it."""
ROWS = 60
PAST = {"past": {"columns": ["a", "b"]}}


def table(place: Path, **columns) -> dict:
    """A series whose columns a and b say which row they stand in; returns its source."""
    values = {
        "date": [f"2024-01-{1 + row // 24:02d} {row % 24:02d}:00:00" for row in range(ROWS)],
        "a": [float(row) for row in range(ROWS)],
        "b": [100.0 + row for row in range(ROWS)],
    }
    write_csv(place / "series.csv", values | columns)
    return {"type": "csv", "path": str(place / "series.csv")}


def series(place: Path, **fields):
    given = {"source": fields.get("source") or table(place), "inputs": PAST, "target": "a", "cache": "memory"}
    given |= {"window": {"length": 5, "horizon": 3}, "split": {"validation": 12, "test": 0.2}}
    return data_config(**given | fields)


def test_windows_and_what_follows_them(own_place: Path) -> None:
    dataset = load(series(own_place), 0)
    assert dataset.signature.inputs["past"].shape == (5, 2)
    assert dataset.signature.inputs["past"].columns == ("a", "b")
    assert dataset.signature.target.shape == (3,)
    train = dataset.splits["train"]
    assert train.inputs["past"].dtype == np.float32
    assert train.inputs["past"][0, :, 0].tolist() == [0, 1, 2, 3, 4]
    assert train.inputs["past"][0, :, 1].tolist() == [100, 101, 102, 103, 104]
    assert train.targets["target"][0].tolist() == [5, 6, 7]
    assert train.index[0] == 5
    assert [(split.targets["target"].min(), split.targets["target"].max()) for split in dataset.splits.values()] == [
        (5, 35), (36, 47), (48, 59),
    ]  # fmt: skip
    assert dataset.splits["validation"].inputs["past"][0, :, 0].tolist() == [31, 32, 33, 34, 35], "the past is known"
    for split in dataset.splits.values():
        np.testing.assert_array_equal(split.inputs["past"][:, -1, 0] + 1, split.targets["target"][:, 0])


def test_windows_share_memory(own_place: Path) -> None:
    past = load(series(own_place), 0).splits["train"].inputs["past"]
    assert np.shares_memory(past[0], past[1])
    assert past[0].flags.c_contiguous
    assert past.strides[0] == 2 * 4


@pytest.mark.parametrize("cache", ["memory", "auto"])
def test_stride_and_limit(own_place: Path, cache: str) -> None:
    config = series(own_place, window={"length": 4, "horizon": 2, "stride": 3}, limit=2, cache=cache)
    for _ in range(2):
        dataset = load(config, 0)
        assert dataset.splits["train"].targets["target"].tolist() == [[31, 32], [34, 35]], "the last ones"
        assert dataset.splits["train"].inputs["past"][0, :, 0].tolist() == [27, 28, 29, 30]
        assert dataset.splits["validation"].targets["target"].tolist() == [[36, 37], [39, 40], [42, 43], [45, 46]]


def test_the_window_may_stand_among_the_transforms(own_place: Path) -> None:
    window = {"type": "window", "length": 5, "horizon": 3}
    config = series(own_place, window=None, inputs={"past": {"columns": ["a", "b"], "transforms": [window]}})
    assert config == series(own_place, inputs={"past": {"columns": ["a", "b"], "transforms": []}})
    assert load(config, 0).splits["train"].inputs["past"].shape == (29, 5, 2)
    inputs = {"x": {"transforms": [window]}, "y": {"transforms": [{**window, "length": 6}]}}
    with pytest.raises(ValidationError, match="all inputs have the same window, that of 'x' is another"):
        series(own_place, window=None, inputs=inputs)
    with pytest.raises(ConfigError, match="a target takes the rows after the inputs' window"):
        load(series(own_place, target={"column": "a", "transforms": [window]}), 0)


def test_several_columns_are_predicted_together(own_place: Path) -> None:
    dataset = load(series(own_place, target={"columns": ["b", "a"]}), 0)
    assert dataset.signature.target.shape == (3, 2)
    assert dataset.splits["train"].targets["target"][0].tolist() == [[105, 5], [106, 6], [107, 7]]


def test_a_window_as_its_own_target(own_place: Path) -> None:
    dataset = load(series(own_place, window={"length": 5}, target={"input": "past"}), 0)
    assert dataset.signature.target.shape == (5, 2)
    for name, (first, last) in {"train": (0, 35), "validation": (36, 47), "test": (48, 59)}.items():
        split = dataset.splits[name]
        assert split.targets["target"] is split.inputs["past"]
        assert (split.inputs["past"][..., 0].min(), split.inputs["past"][..., 0].max()) == (first, last)
        assert split.index[0] == first


def test_transforms_learn_from_training_rows(own_place: Path) -> None:
    inputs = {"past": {"columns": ["a"], "transforms": ["standardize"]}}
    target = {"column": "a", "transforms": ["standardize"]}
    dataset = load(series(own_place, inputs=inputs, target=target), 0)
    assert dataset.fitted["inputs/past/0/mean"] == np.arange(36).mean()
    assert dataset.fitted["targets/target/0/deviation"] == np.arange(36).std()
    units = dataset.signature.target.to_units(dataset.splits["test"].targets["target"])
    np.testing.assert_allclose(units[0], [48, 49, 50], rtol=1e-6)


def test_rows_are_sorted_by_a_column(own_place: Path) -> None:
    order = np.random.default_rng(0).permutation(ROWS)
    shuffled = {
        "date": [f"2024-01-{1 + row // 24:02d} {row % 24:02d}:00:00" for row in order],
        "a": order.astype(float).tolist(),
        "b": (100.0 + order).tolist(),
    }
    plain = load(series(own_place), 0)
    sorted_by = series(own_place, split={"validation": 12, "test": 0.2, "sort_by": "date", "type": "chronological"})
    table(own_place, **shuffled)
    for name, split in load(sorted_by, 0).splits.items():
        np.testing.assert_array_equal(split.inputs["past"], plain.splits[name].inputs["past"])


def test_first_rows_train_and_the_rest_is_unused(own_place: Path) -> None:
    split = {"type": "chronological", "train": 20, "validation": 10, "test": 0.25}
    dataset = load(series(own_place, split=split), 0)
    assert [(each.targets["target"].min(), each.targets["target"].max()) for each in dataset.splits.values()] == [
        (5, 19), (20, 29), (30, 44),
    ]  # fmt: skip


def test_forward_folds(own_place: Path) -> None:
    split = {"type": "folds", "folds": 4, "fold": 2, "forward": True, "validation": 6}
    dataset = load(series(own_place, split=split), 0)
    ends = {name: (each.targets["target"].min(), each.targets["target"].max()) for name, each in dataset.splits.items()}
    assert ends == {"train": (5, 17), "validation": (18, 23), "test": (24, 35)}


def test_the_cache_keeps_the_series_once(own_place: Path) -> None:
    config = series(own_place, cache="auto", window={"length": 20, "horizon": 4})
    first, again = load(config, 0), load(config, 0)
    assert first.fingerprint == again.fingerprint
    for name, split in first.splits.items():
        np.testing.assert_array_equal(split.inputs["past"], again.splits[name].inputs["past"])
        np.testing.assert_array_equal(split.targets["target"], again.splits[name].targets["target"])
    (entry,) = (own_place / "cache" / "data").glob("prepared-*")
    assert sum(file.stat().st_size for file in entry.glob("*.npy")) < 4 * ROWS * 4 + 5 * 400, "no window is written out"
    assert probe(config, 0) == first.signature


def test_dates_divide_the_rows(own_place: Path) -> None:
    dates = {"validation": "2024-01-02", "test": "2024-01-02 12:00", "end": "2024-01-03T06:00:00"}
    split = {"type": "chronological", "sort_by": "date", "dates": dates}
    ends = [(24, 35), (36, 53)]
    dataset = load(series(own_place, split=split), 0)
    assert [(each.targets["target"].min(), each.targets["target"].max()) for each in dataset.splits.values()] == [
        (5, 23), *ends,
    ]  # fmt: skip
    rows = load(series(own_place, split=split, window=None, inputs={"b": {}}), 0).splits
    assert [(each.index.min(), each.index.max()) for each in rows.values()] == [(0, 23), *ends]


def test_the_calendar_of_a_series(own_place: Path) -> None:
    inputs = {**PAST, "when": {"columns": ["date"], "transforms": [{"type": "calendar", "parts": ["hour"]}]}}
    dataset = load(series(own_place, inputs=inputs), 0)
    when = dataset.splits["train"].inputs["when"]
    assert when.shape == (29, 5, 2)
    np.testing.assert_allclose(when[2, :, 0], np.sin(np.arange(2, 7) * 2 * np.pi / 24), atol=1e-6)


def test_weights_are_those_of_the_row_that_follows(own_place: Path) -> None:
    config = series(own_place, sample_weights="b", window={"length": 5, "horizon": 3, "stride": 2}, cache="auto")
    for _ in range(2):
        train = load(config, 0).splits["train"]
        np.testing.assert_array_equal(train.weights, 100 + train.targets["target"][:, 0])


def test_a_file_to_predict_on_has_all_its_windows(own_place: Path) -> None:
    config = series(own_place, split={"type": "chronological", "validation": 12, "sort_by": "date"})
    dataset = load(config, 0)
    table(own_place)
    path = Path(config.source.path).rename(own_place / "new.csv")
    split = load_inputs(config, dataset.fitted, dataset.signature, [path])
    assert split.rows == ROWS - 5 + 1
    assert split.index[[0, -1]].tolist() == [5, ROWS], "nothing follows the last one"
    np.testing.assert_array_equal(split.inputs["past"][:29], dataset.splits["train"].inputs["past"][:29])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    backwards = load_inputs(config, dataset.fitted, dataset.signature, [path])
    np.testing.assert_array_equal(backwards.inputs["past"], split.inputs["past"])
    path.write_text("\n".join(lines[:5]))
    with pytest.raises(DataError, match="a window needs 5 rows, there are 4"):
        load_inputs(config, dataset.fitted, dataset.signature, [path])


def test_etth1(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not REAL or not any((Path(place) / "ett").is_dir() for place in REAL.split(os.pathsep)):
        pytest.skip("no folder of DLRUN_DATASETS holds ett")
    monkeypatch.setenv("DLRUN_DATASETS", REAL)
    split = {"type": "chronological", "sort_by": "date", "train": 8640, "validation": 2880, "test": 2880}
    dataset = load(data_config(source="etth1", window={"length": 96, "horizon": 24}, split=split), 0)
    assert dataset.signature.inputs["window"].columns == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert dataset.signature.target.columns == ("OT",)
    assert {name: each.rows for name, each in dataset.splits.items()} == {
        "train": 8640 - 96 - 24 + 1, "validation": 2880 - 24 + 1, "test": 2880 - 24 + 1,
    }  # fmt: skip


def test_default_inputs_are_all_numbers_the_target_too(own_place: Path) -> None:
    split = {"validation": 12, "sort_by": "date", "type": "chronological"}
    dataset = load(series(own_place, inputs=None, split=split), 0)
    assert dataset.signature.inputs["window"].columns == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "place", "message"),
    [
        ({"window": {"length": 34, "horizon": 3}}, ("data", "window", "length"), "train split's 36 rows are too few"),
        ({"window": {"length": 5, "horizon": 13}}, ("data", "window", "horizon"), "validation split's 12 rows are f"),
        (
            {"window": {"length": 13}, "target": {"input": "past"}},
            ("data", "window", "length"), "validation split's 12 rows are fewer",
        ),
        (
            {"target": {"input": "past"}},
            ("data", "window", "horizon"), "no rows ahead",
        ),
        (
            {"split": {"type": "chronological", "sort_by": "date", "dates": {"validation": "2024-02-01"}}},
            ("data", "split", "dates"), "no validation rows: all lie between 2024-01-01 00:00:00 and 2024-01-03",
        ),
        (
            {"split": {"type": "chronological", "sort_by": "b", "dates": {"test": "2024-01-02"}}},
            ("data", "split", "sort_by"), "numbers, not dates",
        ),
        ({"split": {"validation": 0.2, "type": "random"}}, ("data", "split", "type"), "in its own order"),
        ({"split": {"type": "folds", "folds": 3, "fold": 1}}, ("data", "split", "type"), "folds follow each other"),
        ({"target": {"column": "a", "kind": "classes"}}, ("data", "target", "kind"), "numbers"),
        ({"target": {"u": {"column": "a"}, "v": {"input": "past"}}}, ("data", "target"), "either all"),
        (
            {"split": {"type": "chronological", "train": 40, "validation": 30}},
            ("data", "split", "validation"), "there are 60",
        ),
    ],
)  # fmt: skip
def test_errors_stand_at_their_place(own_place: Path, fields: dict, place: tuple, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(series(own_place, **fields), 0)
    assert [problem.path for problem in caught.value.problems] == [place]
    assert message in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("date", "split", "place", "message"),
    [
        ("2023-01-01", {}, ("data", "inputs", "when"), "row 7 of 'date' is earlier than the row before it"),
        ("1/8/2024", {"type": "chronological", "sort_by": "date"}, ("data", "split", "sort_by"), "'1/8/2024' is no"),
        (None, {"type": "chronological", "sort_by": "date"}, ("data", "split", "sort_by"), "missing values"),
    ],
)
def test_dates_give_an_order(own_place: Path, date: str | None, split: dict, place: tuple, message: str) -> None:
    dates = [f"2024-{1 + row // 28:02d}-{1 + row % 28:02d}" for row in range(ROWS)]
    source = table(own_place, date=[date if row == 7 else dates[row] for row in range(ROWS)])
    inputs = PAST if split else {**PAST, "when": {"columns": ["date"], "transforms": ["calendar"]}}
    with pytest.raises(ConfigError) as caught:
        load(series(own_place, source=source, inputs=inputs, split={"validation": 12, **split}), 0)
    assert [problem.path for problem in caught.value.problems] == [place]
    assert message in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"dates": {"validation": "2024-01-01"}}, "dates go with type: chronological and sort_by"),
        ({"train": 0.5}, "train, more than 0 rows, goes with type: chronological"),
        (
            {"type": "chronological", "sort_by": "date", "validation": 0.1, "dates": {"test": "2024-01-01"}},
            "either dates divide the rows, or",
        ),
        (
            {"type": "chronological", "sort_by": "date", "dates": {"validation": "2024-01-02", "test": "2024-01-01"}},
            "come one after the other",
        ),
        ({"type": "chronological", "sort_by": "date", "dates": {"test": "January"}}, "'January' is no date"),
        ({"type": "chronological", "sort_by": "date", "dates": {"train": "2024-01-01"}}, "dates need that of"),
    ],
)
def test_dates_in_the_config(split: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        data_config(source="etth1", split=split)


def test_missing_values_and_torn_series(own_place: Path) -> None:
    values = [float(row) if row != 7 else None for row in range(ROWS)]
    source = table(own_place, a=values)
    with pytest.raises(DataError, match="'a' has missing values"):
        load(series(own_place, source=source), 0)
    torn = {"past": {"columns": ["a"], "transforms": [{"type": "impute", "strategy": "drop"}]}}
    with pytest.raises(DataError, match="don't follow each other"):
        load(series(own_place, source=source, inputs=torn), 0)
