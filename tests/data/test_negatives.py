"""Items drawn beside choices, and the split that keeps each user's last ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlrun.data.load import load, probe
from dlrun.data.negatives import positives, redraw, seen_of
from dlrun.data.random import philox
from dlrun.errors import ConfigError, DataError
from tests.data.making import data_config, write_csv

USERS, ITEMS = 12, 20
IDS = {name: {"transforms": [{"type": "categories", "unseen": "extra"}]} for name in ("user", "item")}
LAST = {"type": "leave_last_out", "group": "user", "sort_by": "time", "validation": 1}


def choices(place: Path, **fields):
    """User u took 4 + u % 5 items, at times that are not the rows' order."""
    random = np.random.default_rng(0)
    taken = [(user, item) for user in range(USERS) for item in random.choice(ITEMS, 4 + user % 5, replace=False)]
    times = random.permutation(len(taken))
    columns = {"user": [f"u{user}" for user, _ in taken], "item": [f"i{item}" for _, item in taken]}
    write_csv(place / "choices.csv", {**columns, "time": times.tolist(), "price": random.random(len(taken)).tolist()})
    source = {"type": "csv", "path": str(place / "choices.csv")}
    return data_config(**{"source": source, "inputs": IDS, "negatives": {"per_positive": 3}, "split": LAST} | fields)


def test_each_choice_is_followed_by_items_that_its_user_does_not_have(own_place: Path) -> None:
    config = choices(own_place)
    dataset = load(config, 0)
    train, target = dataset.splits["train"], dataset.signature.target
    assert (target.kind, target.classes, target.shape, target.group) == ("labels", ("no", "yes"), (), 4)
    assert target.class_counts == tuple(np.bincount(train.targets["target"]))
    groups = {name: train.inputs[name].reshape(-1, 4) for name in ("user", "item")}
    assert (groups["user"] == groups["user"][:, :1]).all()
    assert (train.targets["target"].reshape(-1, 4) == [1, 0, 0, 0]).all()
    assert (train.index.reshape(-1, 4) == train.index[::4, None]).all()
    taken = {(user, item) for user, item in zip(groups["user"][:, 0], groups["item"][:, 0], strict=True)}
    drawn = set(zip(groups["user"][:, 1:].ravel(), groups["item"][:, 1:].ravel(), strict=True))
    assert not taken & drawn
    assert probe(config, 0) == dataset.signature


def test_draws_are_even_over_the_items_that_are_left(own_place: Path) -> None:
    config = choices(own_place)
    dataset = load(config, 0)
    seen = seen_of(config.negatives, dataset.signature, dataset.splits["train"])
    for user in (0, 4, USERS - 1):
        left = np.setdiff1d(np.arange(seen.items), seen.of(user))
        drawn = seen.draw(np.full(4000, user), philox(0, f"test/{user}").random_raw(4000))
        counts = np.bincount(drawn, minlength=seen.items)
        assert np.flatnonzero(counts).tolist() == left.tolist()
        expected = 4000 / len(left)
        assert np.abs(counts[left] - expected).max() < 5 * np.sqrt(expected)


def test_epochs_draw_anew_and_the_same_again(own_place: Path) -> None:
    config = choices(own_place, cache="memory")
    train, again = (load(config, 3).splits["train"] for _ in range(2))
    first = train.inputs["item"].copy()
    np.testing.assert_array_equal(first, again.inputs["item"])
    seen = seen_of(config.negatives, load(config, 3).signature, train)
    redraw(train, config.negatives, seen, 3, "1")
    assert (train.inputs["item"] != first).mean() > 0.5
    np.testing.assert_array_equal(train.inputs["item"][::4], first[::4])
    redraw(train, config.negatives, seen, 3, "0")
    np.testing.assert_array_equal(train.inputs["item"], first)
    assert (load(config, 4).splits["train"].inputs["item"] != first).any()


def test_each_user_s_last_choices_test_and_validate(own_place: Path) -> None:
    config = choices(own_place)
    dataset = load(config, 0)
    rows = load(choices(own_place, inputs={"time": {}, **IDS}, cache="memory"), 0).splits
    parts = {name: positives(split, config.negatives) for name, split in rows.items()}
    assert [parts[name].rows for name in ("validation", "test")] == [USERS, USERS]
    for user in range(USERS):
        train, validation, test = (
            parts[name].inputs["time"][parts[name].inputs["user"] == user, 0]
            for name in ("train", "validation", "test")
        )
        assert train.max() < validation[0] < test[0]
        assert len(train) + 2 in range(4, 9)
    unseen = dataset.signature.inputs["item"].classes.index("<unseen>")
    assert (dataset.splits["train"].inputs["item"] < unseen).all()


def test_users_with_few_rows_only_train(own_place: Path) -> None:
    dataset = load(choices(own_place, split={**LAST, "validation": 2, "test": 3}), 0)
    config = choices(own_place).negatives
    users = {
        name: np.unique(positives(split, config).inputs["user"], return_counts=True)
        for name, split in dataset.splits.items()
    }
    assert set(users["test"][1]) == {3}
    assert set(users["validation"][1]) == {2}
    assert len(users["test"][0]) < USERS == len(users["train"][0])


@pytest.mark.parametrize(
    ("fields", "place", "message"),
    [
        (
            {"inputs": {"user": IDS["user"], "thing": {"columns": ["item"]}}},
            "negatives.item",
            "there is no input 'item'",
        ),
        ({"inputs": None}, "negatives.user", "there is no input 'user'"),
        ({"target": "price"}, "target", "target doesn't go with negatives"),
        ({"resample": {"method": "balanced"}}, "resample", "resample doesn't go with negatives"),
        (
            {"inputs": {**IDS, "item": {"columns": ["price"]}}},
            "inputs.item",
            "one category a row, but the input 'item'",
        ),
        (
            {"inputs": {**IDS, "user": {"columns": ["user", "item"], **IDS["user"]}}},
            "inputs.user",
            "one category a row, but the input 'user'",
        ),
        ({"split": {**LAST, "validation": 20}}, "split.group", "no group of 'user' has more than 21 rows"),
        ({"split": {**LAST, "group": "usr"}}, "split.group", "there is no column 'usr'"),
    ],
)
def test_what_does_not_fit_is_said_at_its_place(own_place: Path, fields, place, message) -> None:
    with pytest.raises(ConfigError) as caught:
        load(choices(own_place, **fields), 0)
    assert ".".join(map(str, caught.value.problems[0].path[1:])) == place
    assert message in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"type": "leave_last_out"}, "needs group"),
        ({**LAST, "test": 0.2}, "test is a number of each group's rows"),
        ({**LAST, "validation": 0.5}, "validation is a number of each group's rows"),
        ({"sort_by": "time"}, "sort_by goes with type: chronological or leave_last_out"),
    ],
)
def test_splits_that_contradict_themselves(own_place: Path, split, message) -> None:
    with pytest.raises(ValueError, match=message):
        choices(own_place, split=split)


def test_a_user_who_has_everything(own_place: Path) -> None:
    write_csv(own_place / "all.csv", {"user": ["a", "a", "b"], "item": ["x", "y", "x"]})
    config = choices(own_place, source={"type": "csv", "path": str(own_place / "all.csv")}, split={})
    with pytest.raises(DataError, match="the user 'a' has all 2 items"):
        load(config, 0)
