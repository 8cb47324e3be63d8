"""The rows that contenders read, and the order in which they take them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Rows:
    """Inputs: images (rows, height, width, channels) float32 in [0, 1], or ids (rows, length) int32.

    Labels: (rows,) or, for every place of a sequence, (rows, length), int64.
    """

    inputs: npt.NDArray[Any]
    labels: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.inputs)


def read_rows(path: Path | str) -> Rows:
    """Return what `benchmarks.data.write_rows` wrote: images become float32 here, once, before anything is timed."""
    with np.load(path) as arrays:
        inputs, labels = arrays["inputs"], arrays["label"].astype(np.int64)
    if inputs.dtype == np.uint8:
        return Rows(inputs.astype(np.float32) / np.float32(255), labels)
    return Rows(inputs.astype(np.int32), labels)


class Batches:
    """Endless batches of row numbers, shuffled anew in each pass, without those that don't fill a batch."""

    def __init__(self, rows: int, batch: int) -> None:
        self._rows, self._batch = rows, batch
        self._generator = np.random.default_rng(0)
        self._order = np.zeros(0, np.int64)
        self._next = 0

    def next(self) -> npt.NDArray[np.int64]:
        """Return the rows of the next batch."""
        if self._next + self._batch > len(self._order):
            self._order, self._next = self._generator.permutation(self._rows), 0
        chosen = self._order[self._next : self._next + self._batch]
        self._next += self._batch
        return chosen


class Slices:
    """Endless batches of rows in their order, as evaluation takes them, without those that don't fill a batch."""

    def __init__(self, rows: int, batch: int) -> None:
        self._count, self._batch, self._number = max(rows // batch, 1), batch, -1

    def next(self) -> slice:
        """Return the rows of the next batch."""
        self._number = (self._number + 1) % self._count
        return slice(self._number * self._batch, (self._number + 1) * self._batch)
