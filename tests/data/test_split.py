from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlrun.data.config import SplitConfig
from dlrun.data.random import permutation
from dlrun.data.split import limited, make_splits
from dlrun.data.strata import stratified
from dlrun.errors import ConfigError

shares = st.one_of(st.floats(0.05, 0.4), st.integers(1, 10).map(float))


def split(rows: dict[str, int], seed: int = 0, keep=None, classes=None, order=None, **fields):
    return make_splits(SplitConfig.model_validate(fields), rows, keep, classes, order, seed)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(40, 200), shares, shares, st.sampled_from(["random", "stratified", "chronological"]), st.integers(0, 5)
)
def test_every_row_is_in_exactly_one_split(rows: int, validation: float, test: float, kind: str, seed: int) -> None:
    classes = np.arange(rows) % 3
    splits = split({"all": rows}, seed, classes=classes, validation=validation, test=test, type=kind)
    assert list(splits) == ["train", "validation", "test"]
    together = np.concatenate(list(splits.values()))
    assert sorted(together) == list(range(rows))
    for index in splits.values():
        assert index.dtype == np.int64
        assert np.all(np.diff(index) > 0)
    count = int(test) if test >= 1 else round(test * rows)
    assert abs(len(splits["test"]) - count) <= (0 if test >= 1 else 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.floats(0.02, 0.98), st.integers(0, 3))
def test_stratified_shares_are_exact(sizes: list[int], share: float, seed: int) -> None:
    classes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = np.arange(len(classes))
    count = int(share * len(rows))
    chosen = stratified(classes, rows, count, seed, "test")
    assert len(chosen) == len(set(chosen)) == count
    for label, size in enumerate(sizes):
        exact = size * count / len(rows)
        assert np.floor(exact) <= np.count_nonzero(classes[chosen] == label) <= np.ceil(exact)


def test_stratified_split_of_even_classes_is_even() -> None:
    splits = split({"train": 600, "test": 100}, classes=np.arange(700) % 10, validation=0.1)
    assert len(splits["validation"]) == 60
    assert np.bincount(splits["validation"] % 10).tolist() == [6] * 10


def test_given_test_rows_stay_and_training_rows_are_divided() -> None:
    splits = split({"train": 80, "test": 20}, validation=0.25)
    assert splits["test"].tolist() == list(range(80, 100))
    assert len(splits["train"]) == 60
    assert splits["validation"].max() < 80


def test_given_splits_are_used_alone() -> None:
    splits = split({"train": 5, "validation": 3, "test": 2}, type="given")
    assert {name: index.tolist() for name, index in splits.items()} == {
        "train": [0, 1, 2, 3, 4],
        "validation": [5, 6, 7],
        "test": [8, 9],
    }


def test_a_new_test_split_uses_all_rows() -> None:
    splits = split({"train": 50, "test": 50}, test=0.5, type="random")
    assert splits["test"].min() < 50
    assert len(splits["train"]) == 50


def test_chronological_takes_the_last_rows() -> None:
    order = np.array([5, 1, 4, 2, 3, 0, 9, 8, 7, 6])
    splits = split({"all": 10}, order=order, type="chronological", validation=2, test=3, sort_by="t")
    assert sorted(order[splits["test"]]) == [7, 8, 9]
    assert sorted(order[splits["validation"]]) == [5, 6]


def test_the_seed_moves_rows_and_purposes_are_apart() -> None:
    first = split({"all": 100}, 1, validation=0.1, test=0.2)
    again = split({"all": 100}, 1, validation=0.1, test=0.2)
    other = split({"all": 100}, 2, validation=0.1, test=0.2)
    without = split({"all": 100}, 1, test=0.2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["test"], other["test"])
    assert np.array_equal(first["test"], without["test"])


def test_rows_are_left_out_of_every_split() -> None:
    keep = np.arange(100) % 3 > 0
    splits = split({"all": 100}, keep=keep, validation=0.2, test=0.2)
    assert sorted(np.concatenate(list(splits.values()))) == np.flatnonzero(keep).tolist()


def test_permutation_is_fixed_for_all_time() -> None:
    # Resuming a run on another machine or NumPy depends on it.
    assert permutation(8, 0, "split/validation").tolist() == [3, 0, 1, 7, 2, 5, 6, 4]


def test_limit_takes_the_first_rows_of_a_shuffle() -> None:
    train = np.arange(0, 200, 2)
    few, more = limited(train, 10, 0), limited(train, 50, 0)
    assert len(few) == 10
    assert set(few) < set(more) < set(train)
    assert limited(train, 1000, 0) is train
    assert few.tolist() != train[:10].tolist()


@pytest.mark.parametrize(
    ("rows", "fields", "field", "message"),
    [
        ({"all": 10}, {"type": "given"}, "type", "comes without splits"),
        ({"train": 8, "test": 2}, {"test": 0.2}, "test", "comes with 2 test rows"),
        ({"train": 8, "test": 2}, {"test": 0.2, "type": "given"}, "test", "has its own test rows"),
        ({"train": 8, "validation": 2}, {"validation": 0.2}, "validation", "comes with 2 validation rows"),
        ({"all": 10}, {"type": "stratified", "test": 0.2}, "type", "needs a target of classes"),
        ({"all": 10}, {"test": 0.01}, "test", "leaves no test rows"),
        ({"all": 10}, {"validation": 10}, "validation", "leaves no training rows"),
    ],
)
def test_impossible_splits(rows: dict[str, int], fields: dict, field: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        split(rows, **fields)
    assert caught.value.problems[0].path == ("data", "split", field)
