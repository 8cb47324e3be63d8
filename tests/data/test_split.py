from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlrun.data.config import SplitConfig
from dlrun.data.random import permutation
from dlrun.data.split import Rows, limited, make_splits
from dlrun.data.strata import stratified
from dlrun.errors import ConfigError

shares = st.one_of(st.floats(0.05, 0.4), st.integers(1, 10).map(float))


def split(rows: dict[str, int], seed: int = 0, keep=None, classes=None, order=None, groups=None, **fields):
    return make_splits(SplitConfig.model_validate(fields), rows, Rows(keep, classes, order, groups), seed)


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


def folds(rows: dict[str, int], count: int, **fields):
    return [split(rows, type="folds", folds=count, fold=fold, **fields) for fold in range(1, count + 1)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=5), st.integers(2, 6), st.integers(0, 3))
def test_stratified_folds_are_even_in_rows_and_classes(sizes: list[int], count: int, seed: int) -> None:
    classes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = len(classes)
    if rows < count:
        return
    each = folds({"all": rows}, count, seed=seed, classes=classes)
    tests = [splits["test"] for splits in each]
    assert sorted(np.concatenate(tests)) == list(range(rows))
    assert max(map(len, tests)) - min(map(len, tests)) <= 1
    for label in range(len(sizes)):
        counts = [np.count_nonzero(classes[index] == label) for index in tests]
        assert max(counts) - min(counts) <= 1
    for splits in each:
        assert sorted(np.concatenate([splits["train"], splits["test"]])) == list(range(rows))


def test_grouped_folds_divide_no_group() -> None:
    groups = np.random.default_rng(0).integers(0, 30, 300)
    each = folds({"all": 300}, 5, groups=groups, group="patient", validation=0.2)
    assert sorted(np.concatenate([splits["test"] for splits in each])) == list(range(300))
    for splits in each:
        assert 45 <= len(splits["test"]) <= 75
        assert 30 <= len(splits["validation"]) <= 65
        found = [set(groups[index]) for index in splits.values()]
        assert sum(map(len, found)) == len(set.union(*found)) == 30


def test_a_random_split_divides_no_group() -> None:
    groups = np.arange(200) // 4
    splits = split({"all": 200}, groups=groups, group="patient", validation=0.2, test=0.25)
    assert {name: len(index) for name, index in splits.items()} == {"train": 124, "validation": 28, "test": 48}
    assert sum(len(set(groups[index])) for index in splits.values()) == 50


def test_forward_folds_train_on_the_past_alone() -> None:
    order = np.random.default_rng(0).permutation(23)
    each = folds({"all": 23}, 4, order=order, forward=True, sort_by="time", validation=2)
    times = [{name: np.sort(order[index]).tolist() for name, index in splits.items()} for splits in each]
    assert times[0] == {"train": list(range(5)), "validation": [5, 6], "test": list(range(7, 11))}
    assert times[3] == {"train": list(range(17)), "validation": [17, 18], "test": list(range(19, 23))}


def test_folds_leave_a_sources_test_rows_alone() -> None:
    each = folds({"train": 40, "validation": 10, "test": 20}, 5)
    assert sorted(np.concatenate([splits["test"] for splits in each])) == list(range(50))
    assert max(splits["train"].max() for splits in each) == 49


def test_the_seed_moves_the_folds_and_a_fold_doesnt_move_the_others() -> None:
    assert not np.array_equal(folds({"all": 60}, 3, seed=0)[0]["test"], folds({"all": 60}, 3, seed=1)[0]["test"])
    one, other = folds({"all": 60}, 3), folds({"all": 60}, 3, validation=0.2)
    assert all(np.array_equal(a["test"], b["test"]) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "folds", "folds": 5}, "needs folds, their number, and fold"),
        ({"type": "folds", "folds": 5, "fold": 6}, "there are 5 folds, got fold 6"),
        ({"type": "folds", "folds": 5, "fold": 1, "test": 0.1}, "leave test out"),
        ({"folds": 5}, "folds goes with type: folds"),
        ({"type": "random", "forward": True}, "forward goes with type: folds"),
        ({"type": "folds", "folds": 5, "fold": 1, "forward": True, "group": "a"}, "group goes with a random split"),
        ({"type": "folds", "folds": 5, "fold": 1, "sort_by": "a"}, "sort_by goes with type: chronological"),
    ],
)
def test_contradictions_of_folds(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplitConfig.model_validate(fields)


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
        ({"all": 3}, {"type": "folds", "folds": 4, "fold": 1}, "folds", "3 rows can't make 4 folds"),
    ],
)
def test_impossible_splits(rows: dict[str, int], fields: dict, field: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        split(rows, **fields)
    assert caught.value.problems[0].path == ("data", "split", field)
