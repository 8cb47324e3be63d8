"""The images that every contender trains on: the config's own, or random ones of their shape where they are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlrun.config.run_config import RunConfig
from dlrun.data.load import load, probe
from dlrun.errors import DlrunError


@dataclass(frozen=True)
class Images:
    """Images (rows, height, width, channels) float32 in [0, 1], and labels (rows,) int64."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    classes: int

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.images)


def write_images(config: RunConfig, rows: int, path: Path) -> str:
    """Write `rows` training images as bytes, and their labels, to an npz file; return what they are."""
    feature, classes = _description(config)
    try:
        split = load(config.data, config.seed).splits["train"]
        # Some sets are sorted by class: the first rows would hold few of them.
        chosen = np.sort(np.random.default_rng(0).permutation(split.rows)[:rows])
        images, labels = split.inputs[feature][chosen], split.targets["target"][chosen]
        what = "the config's own data"
    except DlrunError as error:
        generator = np.random.default_rng(0)
        shape = probe(config.data, config.seed).inputs[feature].shape
        images = generator.integers(0, 256, (rows, *shape), dtype=np.uint8)
        labels = generator.integers(0, classes, rows)
        what = f"random images ({error.message})"
    if images.dtype != np.uint8:
        raise ValueError(f"the benchmark's images are bytes, those of {config.name} are {images.dtype}")
    np.savez(path, image=images, label=np.asarray(labels, np.int64))
    return f"{len(images):,} rows of {what}"


def _description(config: RunConfig) -> tuple[str, int]:
    signature = probe(config.data, config.seed)
    return next(iter(signature.inputs)), len(signature.target.classes or ())


def read_images(path: Path) -> Images:
    """Return what `write_images` wrote."""
    with np.load(path) as arrays:
        labels = arrays["label"]
        return Images(arrays["image"].astype(np.float32) / np.float32(255), labels, int(labels.max()) + 1)


def overrides(path: Path, batch: int, threads: int) -> Sequence[str]:
    """Return the overrides with which dlrun trains a config on that file."""
    return (
        f"data={{source: {{type: npz, path: {path}}}, target: {{column: label, kind: classes}}}}",
        f"training.batch_size={batch}",
        f"training.threads={threads}",
    )


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
