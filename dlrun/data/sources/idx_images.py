"""Grey images in idx files: what mnist and fashion_mnist share."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.sources.base import Column, Description, Raw, Store
from dlrun.data.sources.idx import read_idx, read_idx_shape
from dlrun.data.sources.named import NamedSource
from dlrun.errors import DataError


class IdxSource(NamedSource):
    """Grey images with labels in four idx files: columns "image" (h, w, 1) and "label", splits train and test."""

    classes: ClassVar[tuple[str, ...]]
    described_without_reading: ClassVar[bool] = True
    images: ClassVar[tuple[str, str]] = ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz")
    labels: ClassVar[tuple[str, str]] = ("train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz")

    def probe(self) -> Description:
        """From the files' headers; as published where there are no files yet."""
        folder = self.folder()
        if folder is None:
            return self.describe((28, 28), 60_000, 10_000)
        (train, *size), (test, *other) = (read_idx_shape(folder / name) for name in self.images)
        if len(size) != 2 or size != other:
            raise DataError(f"{folder / self.images[0]} and {self.images[1]} hold images of different shapes")
        return self.describe((size[0], size[1]), train, test)

    def describe(self, size: tuple[int, int], train: int, test: int) -> Description:
        """The description of images of this size."""
        columns = (
            Column("image", "image", (*size, 1), "uint8", range=(0.0, 255.0)),
            Column("label", "labels", values=self.classes, original="uint8"),
        )
        return Description({column.name: column for column in columns}, {"train": train, "test": test}, "label")

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Decodes the four files."""
        folder, description = self.found(), self.probe()
        arrays: dict[str, Array] = {}
        rows, train = sum(description.rows.values()), description.rows["train"]
        shapes = {"image": description.columns["image"].shape, "label": ()}
        for name, files in (("image", self.images), ("label", self.labels)):
            if columns is not None and name not in columns:
                continue
            array = store.array(name, (rows, *shapes[name]), "uint8" if name == "image" else "int32")
            target = array[..., 0] if name == "image" else np.empty(rows, np.uint8)
            read_idx(folder / files[0], target[:train])
            read_idx(folder / files[1], target[train:])
            if name == "label":
                check_labels(target, len(self.classes), folder)
                array[:] = target
            arrays[name] = array
        return Raw(description, arrays)


def check_labels(labels: Array, classes: int, folder: Path) -> None:
    """Raises DataError for a label beyond the classes."""
    if len(labels) and int(labels.max()) >= classes:
        raise DataError(f"the labels in {folder} reach {int(labels.max())}, but there are only {classes} classes")
