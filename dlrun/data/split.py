"""Which rows train, which validate, which test."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlrun.data.config import SplitConfig
from dlrun.data.dataset import Array
from dlrun.data.random import permutation
from dlrun.data.strata import stratified
from dlrun.errors import ConfigError, Problem

PLACE = ("data", "split")


def make_splits(
    config: SplitConfig,
    given: Mapping[str, int],
    keep: Array | None,
    classes: Array | None,
    order: Array | None,
    seed: int,
) -> dict[str, Array]:
    """The row numbers of each split that has rows, each (rows,) int64 and sorted; no row is in two.

    `given` are the source's rows by split, in their order ("all" when it has none), `keep` (rows,) bool leaves rows
    out, `classes` (rows,) are integers to stratify by, and `order` (rows,) are ranks for a chronological split.
    Validation and test rows are drawn from streams of their own, so that neither share moves the other's rows.
    Raises ConfigError where the config asks for a split that these rows can't give.
    """
    _check(config, given, classes)
    rows = _given_rows(given, keep)
    has_test = config.test is None and "test" in rows
    pool = rows.get("train", rows.get("all"))
    if pool is None or (config.test is not None and "all" not in rows):
        pool = np.sort(np.concatenate(list(rows.values())))
    splits: dict[str, Array] = {}
    method = config.type if config.type not in (None, "given") else ("random" if classes is None else "stratified")
    if has_test:
        splits["test"] = rows["test"]
    elif config.test:
        splits["test"] = _draw(pool, config.test, method, classes, order, seed, "test")
        pool = np.setdiff1d(pool, splits["test"], assume_unique=True)
    if config.validation:
        splits["validation"] = _draw(pool, config.validation, method, classes, order, seed, "validation")
        pool = np.setdiff1d(pool, splits["validation"], assume_unique=True)
    elif "validation" in rows and config.test is None:
        splits["validation"] = rows["validation"]
    return {"train": pool, **{name: splits[name] for name in ("validation", "test") if name in splits}}


def limited(train: Array, limit: int | None, seed: int) -> Array:
    """The first `limit` training rows after a shuffle, sorted; all of them when there are no more."""
    if limit is None or limit >= len(train):
        return train
    return np.sort(train[permutation(len(train), seed, "limit")[:limit]])


def _check(config: SplitConfig, given: Mapping[str, int], classes: Array | None) -> None:
    """Raises ConfigError where the config's split and the source's contradict each other."""
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


def _draw(
    pool: Array, share: float, method: str | None, classes: Array | None, order: Array | None, seed: int, name: str
) -> Array:
    """The rows of one split out of the pool, sorted."""
    count = int(share) if share >= 1.0 else int(share * len(pool) + 0.5)
    if not 0 < count < len(pool):
        raise _problem(
            name, f"{share:g} of {len(pool)} rows leaves {'no ' + name if not count else 'no training'} rows"
        )
    if method == "chronological":
        ranked = pool if order is None else pool[np.argsort(order[pool], kind="stable")]
        return np.sort(ranked[-count:])
    if method == "stratified" and classes is not None:
        return stratified(classes, pool, count, seed, f"split/{name}")
    return np.sort(pool[permutation(len(pool), seed, f"split/{name}")[:count]])


def _problem(field: str, message: str, help: str | None = None) -> ConfigError:
    return ConfigError([Problem((*PLACE, field), message, help)])
