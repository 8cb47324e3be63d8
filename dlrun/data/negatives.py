"""Items that somebody did not choose, drawn beside those that they did: how a network learns from choices alone.

The rows are choices: a user took an item. Each becomes a group of rows, the choice first (class "yes") and after it
`per_positive` rows of the same user with items drawn evenly from those that the user has in no training row ("no"), as
in X. He et al., "Neural collaborative filtering" (WWW 2017). Training rows draw others in each epoch, as a function of
the seed and its number; validation and test rows keep theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from dlrun.data.dataset import Array, Dataset, Split
from dlrun.data.random import philox
from dlrun.data.signature import Feature, Signature
from dlrun.data.transforms.categories import EXTRA
from dlrun.errors import ConfigError, DataError, Path, Problem
from dlrun.registry import Spec

PLACE: Path = ("data", "negatives")
TARGET = "target"
CLASSES = ("no", "yes")
BITS = 31
"""A user and an item together make one int64: items take the lower bits."""


class NegativesConfig(Spec):
    """For rows that are choices: which input is the user's, which the item's, and what else is drawn.

    The target is whether a user chose an item: class "yes" for the rows, "no" for the items that are drawn beside them.
    Inputs other than the item are the same for both.
    """

    user: str = "user"
    """The input that says who chose: one category a row."""
    item: str = "item"
    """The input that says what was chosen: one category a row."""
    per_positive: int = Field(default=4, gt=0)
    """How many items are drawn for each row, from those that the user has in no training row; anew in each epoch."""

    @property
    def group(self) -> int:
        """The rows that a choice and what is drawn beside it make."""
        return 1 + self.per_positive


def chosen_feature(config: NegativesConfig, inputs: Mapping[str, Feature], rows: int) -> Feature:
    """The target of `rows` training rows; raises ConfigError unless user and item are one category a row each."""
    problems = []
    for name in (config.user, config.item):
        feature = inputs[name]
        if feature.kind != "category" or feature.shape != () or not feature.classes:
            what = f"is {feature.kind} of shape {feature.shape}"
            message = f"negatives takes one category a row, but the input {name!r} {what}"
            help = "one column, transforms: [{type: categories, unseen: extra}]"
            problems.append(Problem(("data", "inputs", name), message, help))
    if problems:
        raise ConfigError(problems)
    counts = (rows * config.per_positive, rows)
    return Feature(TARGET, (), "int32", "labels", CLASSES, class_counts=counts, group=config.group)


def number_of(feature: Feature) -> int:
    """How many known users or items there are: the index for unseen ones isn't counted."""
    classes = feature.classes or ()
    return len(classes) - (classes[-1:] == (EXTRA,))


@dataclass(frozen=True)
class Seen:
    """What users have in the training rows: sorted pairs, user << BITS | item, without repetition, and `items` in all.

    `starts` (users + 1,) says where each user's pairs begin.
    """

    pairs: Array
    starts: Array
    items: int

    def has(self, users: Array, items: Array) -> Array:
        """Whether users have items in the training rows. Shapes: users, items (n,) → (n,) bool."""
        wanted = _pairs(users, items)
        place = np.minimum(np.searchsorted(self.pairs, wanted), len(self.pairs) - 1)
        found: Array = self.pairs[place] == wanted
        return found

    def of(self, user: int) -> Array:
        """A user's items, sorted, (n,) int64."""
        found: Array = self.pairs[self.starts[user] : self.starts[user + 1]] & ((1 << BITS) - 1)
        return found

    def draw(self, users: Array, bits: Array) -> Array:
        """An item for each user that the user doesn't have, (n,) int32, evenly, by random uint64 `bits` (n,).

        The r-th of the items that are left is r + the number of the user's items s_j, j = 0, 1 ..., with s_j - j <= r:
        one search, without drawing again.
        """
        left = self.items - np.diff(self.starts)[users]
        rank = ((bits >> np.uint64(32)) * left.astype(np.uint64) >> np.uint64(32)).astype(np.int64)
        owners = self.pairs >> BITS
        shifted = self.pairs - (np.arange(len(self.pairs)) - self.starts[owners])
        below = np.searchsorted(shifted, _pairs(users, rank), side="right") - self.starts[users]
        drawn: Array = (rank + below).astype(np.int32)
        return drawn


def seen_of(config: NegativesConfig, signature: Signature, train: Split) -> Seen:
    """What users have in the training rows, which may be expanded or not yet.

    Raises DataError for a user who has all items.
    """
    users, items = (np.asarray(train.inputs[name], np.int64) for name in (config.user, config.item))
    if train.rows and train.targets:
        positive = train.targets[TARGET] == 1
        users, items = users[positive], items[positive]
    count = number_of(signature.inputs[config.item])
    users, items = users[items < count], items[items < count]
    everyone = signature.inputs[config.user].classes or ()
    pairs = np.unique(_pairs(users, items))
    starts = np.searchsorted(pairs, _pairs(np.arange(len(everyone) + 1), np.zeros(1, np.int64)))
    full = np.flatnonzero(np.diff(starts) >= count)
    if len(full):
        raise DataError(
            f"the {config.user} {everyone[full[0]]!r} has all {count} items in the training rows: none can be drawn "
            "beside them",
            help="leave such rows out of the data",
        )
    return Seen(pairs, starts, count)


def with_negatives(dataset: Dataset, config: NegativesConfig, seed: int) -> Dataset:
    """The data set with its target and each row expanded into its group, in arrays of their own.

    The items are those of epoch 0. Raises ConfigError unless user and item are one category a row each, DataError for a
    user who has all items.
    """
    signature, train = dataset.signature, dataset.splits["train"]
    target = chosen_feature(config, signature.inputs, train.rows)
    seen = seen_of(config, signature, train)
    splits = {name: _expanded(split, config) for name, split in dataset.splits.items()}
    for name, split in splits.items():
        redraw(split, config, seen, seed, "0" if name == "train" else name)
    return replace(dataset, splits=splits, signature=Signature(signature.inputs, {TARGET: target}))


def redraw(split: Split, config: NegativesConfig, seen: Seen, seed: int, purpose: str) -> None:
    """Gives an expanded split other items beside the chosen ones, in place; `purpose` names the draw."""
    users = np.asarray(split.inputs[config.user]).reshape(-1, config.group)[:, 1:].reshape(-1)
    items = seen.draw(users, philox(seed, f"negatives/{purpose}").random_raw(len(users)))
    split.inputs[config.item].reshape(-1, config.group)[:, 1:] = items.reshape(-1, config.per_positive)


def positives(split: Split, config: NegativesConfig) -> Split:
    """The rows of an expanded split that are choices."""
    inputs = {name: array[:: config.group] for name, array in split.inputs.items()}
    return Split(inputs, {}, None, split.index[:: config.group])


def _expanded(split: Split, config: NegativesConfig) -> Split:
    inputs = {name: np.repeat(array, config.group, axis=0) for name, array in split.inputs.items()}
    target = np.zeros((split.rows, config.group), np.int32)
    target[:, 0] = 1
    weights = None if split.weights is None else np.repeat(split.weights, config.group)
    return Split(inputs, {TARGET: target.reshape(-1)}, weights, np.repeat(split.index, config.group))


def _pairs(users: Array, items: Array) -> Array:
    pairs: Array = (np.asarray(users, np.int64) << BITS) | np.asarray(items, np.int64)
    return pairs
