"""Which rows train, which validate, which test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dlrun.data.config import DatesConfig, SplitConfig
from dlrun.data.dataset import Array
from dlrun.data.folds import dealt_folds, drawn_groups, forward_fold, grouped_folds
from dlrun.data.random import permutation
from dlrun.data.strata import stratified
from dlrun.errors import ConfigError, Problem

PLACE = ("data", "split")


@dataclass(frozen=True)
class Rows:
    """What is known of the rows, each (all rows,) and indexed by row number, or None.

    `keep` (bool) leaves rows out, `classes` are integers to stratify by, `order` ranks for a chronological split,
    `groups` integers, of which equal ones stay together, `times` dates (datetime64) for a split by dates.
    """

    keep: Array | None = None
    classes: Array | None = None
    order: Array | None = None
    groups: Array | None = None
    times: Array | None = None


def make_splits(config: SplitConfig, given: Mapping[str, int], known: Rows, seed: int) -> dict[str, Array]:
    """The row numbers of each split that has rows, each (rows,) int64 and sorted; no row is in two.

    `given` are the source's rows by split, in their order ("all" when it has none). Validation and test rows are drawn
    from streams of their own, so that neither share moves the other's rows.
    Raises ConfigError where the config asks for a split that these rows can't give.
    """
    _check(config, given, known.classes)
    rows = _given_rows(given, known.keep)
    if config.type == "folds":
        return _fold(config, rows, known, seed)
    if config.type == "leave_last_out":
        return _last_rows(config, rows, known)
    has_test = config.test is None and "test" in rows
    pool = rows.get("train", rows.get("all"))
    if pool is None or (config.test is not None and "all" not in rows):
        pool = np.sort(np.concatenate(list(rows.values())))
    splits: dict[str, Array] = {}
    method = _method(config, known)
    if config.dates is not None and known.times is not None:
        return _between_dates(config.dates, pool, known.times)
    if config.train is not None:
        return _first_rows(config, config.train, pool, known.order)
    if has_test:
        splits["test"] = rows["test"]
    elif config.test:
        splits["test"] = _draw(pool, config.test, method, known, seed, "test")
        pool = np.setdiff1d(pool, splits["test"], assume_unique=True)
    if config.validation:
        splits["validation"] = _draw(pool, config.validation, method, known, seed, "validation")
        pool = np.setdiff1d(pool, splits["validation"], assume_unique=True)
    elif "validation" in rows and config.test is None:
        splits["validation"] = rows["validation"]
    return {"train": pool, **{name: splits[name] for name in ("validation", "test") if name in splits}}


def _between_dates(dates: DatesConfig, pool: Array, times: Array) -> dict[str, Array]:
    """The rows of each part: from its date on, up to the next part's."""
    begins = {name: np.datetime64(date, "us") for name, date in dates.begins.items()}
    if dates.train is None:
        begins = {"train": times[pool].min(), **begins}
    ends = [*list(begins.values())[1:], None]
    splits = {}
    for (name, begin), end in zip(begins.items(), ends, strict=True):
        if name != "end":
            inside = times[pool] >= begin if end is None else (times[pool] >= begin) & (times[pool] < end)
            if not inside.any():
                first, last = times[pool].min().item(), times[pool].max().item()
                raise _problem("dates", f"there are no {name} rows: all lie between {first} and {last}")
            splits[name] = pool[inside]
    return splits


def _first_rows(config: SplitConfig, train: float, pool: Array, order: Array | None) -> dict[str, Array]:
    """Training rows first, then validation rows, then test rows; what is left is not used."""
    ranked = pool if order is None else pool[np.argsort(order[pool], kind="stable")]
    splits, end = {}, 0
    for name, share in (("train", train), ("validation", config.validation), ("test", config.test)):
        if share:
            count = int(share) if share >= 1.0 else int(share * len(pool) + 0.5)
            begin, end = end, end + count
            if not count or end > len(pool):
                raise _problem(name, f"rows {begin + 1:,} to {end:,} can't be {name} rows: there are {len(pool):,}")
            splits[name] = np.sort(ranked[begin:end])
    return splits


def _last_rows(config: SplitConfig, rows: Mapping[str, Array], known: Rows) -> dict[str, Array]:
    """Of each group the last rows test, those before them validate, the others train; a small group only trains."""
    assert known.groups is not None
    pool = np.sort(np.concatenate(list(rows.values())))
    if known.order is not None:
        pool = pool[np.argsort(known.order[pool], kind="stable")]
    pool = pool[np.argsort(known.groups[pool], kind="stable")]
    _, starts, sizes = np.unique(known.groups[pool], return_index=True, return_counts=True)
    test, validation = 1 if config.test is None else int(config.test), int(config.validation)
    behind = np.repeat(starts + sizes, sizes) - 1 - np.arange(len(pool))
    whole = np.repeat(sizes <= test + validation, sizes)
    if whole.all():
        raise _problem("group", f"no group of {config.group!r} has more than {test + validation} rows")
    part = np.where(whole | (behind >= test + validation), 0, np.where(behind >= test, 1, 2))
    splits = {name: np.sort(pool[part == i]) for i, name in enumerate(("train", "validation", "test"))}
    return {name: index for name, index in splits.items() if len(index)}


def _fold(config: SplitConfig, rows: Mapping[str, Array], known: Rows, seed: int) -> dict[str, Array]:
    """A fold's rows test, the others train; validation rows that come with the source are rows like the others."""
    assert config.folds is not None
    assert config.fold is not None
    parts = [index for name, index in rows.items() if name != "test"]
    pool = np.sort(np.concatenate([np.zeros(0, np.int64), *parts]))
    if len(pool) < config.folds + config.forward:
        raise _problem("folds", f"{len(pool)} rows can't make {config.folds} folds")
    if config.forward:
        train, test = forward_fold(pool, config.folds, config.fold, known.order)
    elif known.groups is not None:
        count = len(np.unique(known.groups[pool]))
        if count < config.folds:
            raise _problem("folds", f"{count} groups of {config.group!r} can't make {config.folds} folds")
        test = grouped_folds(pool, config.folds, known.groups, seed)[config.fold - 1]
        train = np.setdiff1d(pool, test, assume_unique=True)
    else:
        test = dealt_folds(pool, config.folds, known.classes, seed)[config.fold - 1]
        train = np.setdiff1d(pool, test, assume_unique=True)
    splits = {"train": train, "test": test}
    if config.validation:
        validation = _draw(train, config.validation, _method(config, known), known, seed, "validation")
        train = np.setdiff1d(train, validation, assume_unique=True)
        splits = {"train": train, "validation": validation, "test": test}
    return splits


def _method(config: SplitConfig, known: Rows) -> str:
    """How rows are drawn: "chronological", "grouped", "stratified" or "random"."""
    if config.is_chronological:
        return "chronological"
    if known.groups is not None:
        return "grouped"
    if config.type in ("random", "stratified"):
        return config.type
    return "random" if known.classes is None else "stratified"


def limited(train: Array, limit: int | None, seed: int) -> Array:
    """The first `limit` training rows after a shuffle, sorted; all of them when there are no more."""
    if limit is None or limit >= len(train):
        return train
    return np.sort(train[permutation(len(train), seed, "limit")[:limit]])


def _check(config: SplitConfig, given: Mapping[str, int], classes: Array | None) -> None:
    """Raises ConfigError where the config's split and the source's contradict each other."""
    if config.type in ("folds", "leave_last_out"):
        return
    divided = "all" not in given
    if config.type == "given" and not divided:
        raise _problem("type", "this source comes without splits", "use random, stratified or chronological")
    if config.type == "given" and config.test is not None:
        raise _problem("test", "a given split has its own test rows", "leave `test` out, or set another `type`")
    if divided and config.test is not None and config.type is None and given.get("test"):
        raise _problem(
            "test",
            f"this source comes with {given['test']} test rows",
            "leave `test` out to use them, or set `type: random` (or stratified) to divide all rows anew",
        )
    if divided and config.validation and given.get("validation") and config.test is None:
        raise _problem(
            "validation",
            f"this source comes with {given['validation']} validation rows",
            "leave `validation` out to use them",
        )
    if config.type == "stratified" and classes is None:
        raise _problem("type", "a stratified split needs a target of classes", "use random")


def _given_rows(given: Mapping[str, int], keep: Array | None) -> dict[str, Array]:
    rows, start = {}, 0
    for name, count in given.items():
        index = np.arange(start, start + count, dtype=np.int64)
        start += count
        rows[name] = index if keep is None else index[keep[index]]
    return {name: index for name, index in rows.items() if len(index)}


def _draw(pool: Array, share: float, method: str, known: Rows, seed: int, name: str) -> Array:
    """The rows of one split out of the pool, sorted."""
    count = int(share) if share >= 1.0 else int(share * len(pool) + 0.5)
    if not 0 < count < len(pool):
        raise _problem(
            name, f"{share:g} of {len(pool)} rows leaves {'no ' + name if not count else 'no training'} rows"
        )
    if method == "chronological":
        ranked = pool if known.order is None else pool[np.argsort(known.order[pool], kind="stable")]
        return np.sort(ranked[-count:])
    if method == "grouped" and known.groups is not None:
        drawn = drawn_groups(pool, count, known.groups, seed, f"split/{name}")
        if not 0 < len(drawn) < len(pool):
            raise _problem(name, f"the groups are too large for {count} of {len(pool)} rows")
        return drawn
    if method == "stratified" and known.classes is not None:
        return stratified(known.classes, pool, count, seed, f"split/{name}")
    return np.sort(pool[permutation(len(pool), seed, f"split/{name}")[:count]])


def _problem(field: str, message: str, help: str | None = None) -> ConfigError:
    return ConfigError([Problem((*PLACE, field), message, help)])
