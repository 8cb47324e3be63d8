"""Rare classes more often, frequent ones less: which training rows an epoch takes, and how often each.

Rows are chosen, never copied: an epoch's order names them. Each epoch chooses anew, as a function of the seed and its
number, so that undersampling has seen all rows after some epochs and resumed runs go on with the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dlrun.data.dataset import Array
from dlrun.data.random import permutation
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ConfigError, Path, Problem
from dlrun.registry import Spec

PLACE: Path = ("data", "resample")


class ResampleConfig(Spec):
    """How often an epoch takes the training rows of each class; validation and test rows stay as they are."""

    bare_field: ClassVar[str | None] = "method"

    method: Literal["oversample", "undersample", "balanced"]
    """"oversample" takes rows of the rare classes several times, until each has as many as the largest. "undersample"
    takes only some of the others' rows, in each epoch others, as many as the smallest class has. "balanced" does both:
    every class gets the same part of an epoch that has as many rows as before."""
    ratio: float = Field(default=1.0, gt=0, le=1)
    """How far the sizes of the classes may still be apart, the smallest by the largest: with 0.5 oversampling ends at
    half of the largest class's rows, undersampling at twice the smallest's."""
    target: str | None = None
    """The target whose classes count, where there are several; the first one of classes when left out."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.method == "balanced" and self.ratio != 1.0:
            raise ValueError("ratio goes with oversample or undersample: balanced classes are of one size")
        return self

    def sizes(self, counts: Sequence[int]) -> list[int]:
        """The rows of each class in an epoch, for as many training rows of each as `counts`; 0 for one without any."""
        present = [count for count in counts if count]
        if self.method == "balanced":
            share, more = divmod(sum(present), len(present))
            places = np.cumsum([count > 0 for count in counts])
            return [(share + (int(place) <= more)) * (n > 0) for n, place in zip(counts, places, strict=True)]
        if self.method == "oversample":
            least = round(self.ratio * max(present))
            return [max(count, least) * (count > 0) for count in counts]
        most = round(min(present) / self.ratio)
        return [min(count, most) for count in counts]


def resampled_target(config: ResampleConfig, signature: Signature) -> Feature:
    """The target whose classes count. Raises ConfigError for one that isn't there, or that holds no classes."""
    chosen = config.target
    if chosen is not None and chosen not in signature.targets:
        listed = ", ".join(signature.targets)
        raise ConfigError([Problem((*PLACE, "target"), f"there is no target {chosen!r}", f"targets: {listed}")])
    features = list(signature.targets.values()) if chosen is None else [signature.targets[chosen]]
    found = [feature for feature in features if feature.kind == "labels" and feature.shape == ()]
    if not found:
        first = features[0]
        what = "several classes a row" if first.kind == "labels" else "numbers"
        message = f"resampling needs a target of classes, one a row; {first.name!r} holds {what}"
        help = "weigh the rows instead: data.sample_weights, or positive_weight of binary_cross_entropy"
        raise ConfigError([Problem(PLACE, message, help)])
    return found[0]


def epoch_sizes(config: ResampleConfig, labels: Array, classes: int) -> list[int]:
    """The rows of each class in an epoch. Shape: labels (training rows,) class indices."""
    return config.sizes(np.bincount(labels, minlength=classes).tolist())


def epoch_rows(labels: Array, sizes: Sequence[int], seed: int, epoch: int) -> Array:
    """The training rows of an epoch, (sum of sizes,) int64, sorted: `sizes[c]` of class c, a row as often as others.

    Each of a class's n rows is taken size // n times, and size % n of them, drawn anew for each epoch, once more.
    """
    chosen = []
    for label, size in enumerate(sizes):
        rows = np.flatnonzero(labels == label)
        if size:
            times, more = divmod(size, len(rows))
            chosen += [np.repeat(rows, times), rows[permutation(len(rows), seed, f"resample/{epoch}/{label}")[:more]]]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def resample_note(target: Feature, labels: Array, sizes: Sequence[int]) -> str:
    """What the user is to know: the rows of each class before and after."""
    names = target.classes or tuple(map(str, range(len(sizes))))
    counts = np.bincount(labels, minlength=len(sizes)).tolist()
    shown = [f"{name} {n:,} → {size:,}" for name, n, size in zip(names, counts, sizes, strict=True)]
    more = f", and {len(shown) - 10} classes more" if len(shown) > 10 else ""
    return f"resampled training rows of an epoch: {', '.join(shown[:10])}{more}; {sum(sizes):,} in all"
