"""image_folder: a folder of images for each class."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from dlrun.data.images import MODES, SUFFIXES, decode_image, image_shape
from dlrun.data.progress import progress
from dlrun.data.sources.base import Column, Description, Raw, Source, Store
from dlrun.data.sources.files import find_path
from dlrun.errors import DataError

SPLITS = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}
Listing = dict[str, list[tuple[str, Path]]]
"""By split: the class and the path of each image."""


class ImageFolder(Source):
    """Images in folders that are named after their classes: `path/cat/1.jpg`, or `path/train/cat/1.jpg` and so on.

    Folders train, validation (or val) and test on top are given splits. Classes are in the order of their names,
    numbers by size. Columns: "image" (height, width, 1 or 3) and "label".
    """

    type: Literal["image_folder"] = "image_folder"
    path: str
    """The folder; a relative path starts at the working folder, or at a folder of DLRUN_DATASETS."""
    image_size: tuple[int, int] | None = Field(default=None)
    """The (height, width) to which all images are scaled; when left out all must be of one size already."""
    color_mode: Literal["grey", "rgb"] | None = None
    """One channel or three; that of the first image when left out."""
    keeps_decoded: ClassVar[bool] = True
    described_without_reading: ClassVar[bool] = True

    def stamp(self) -> list[Any]:
        """A hash over all files' paths, sizes and times."""
        root = str(find_path(self.path).resolve())
        listing = self._listing()
        files = [(split, name, path.name, path) for split, images in listing.items() for name, path in images]
        try:
            states = [(*names, state.st_size, state.st_mtime_ns) for *names, path in files for state in [os.stat(path)]]
        except OSError as error:
            raise DataError(f"can't read {error.filename}: {error.strerror}") from None
        return [root, len(states), hashlib.sha256(repr(states).encode()).hexdigest()]

    def probe(self) -> Description:
        """From the names of the files, and the head of the first image."""
        return self._describe(self._listing())

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Decodes all images; raises DataError naming the file that can't be."""
        listing = self._listing()
        description = self._describe(listing)
        shape, classes = description.columns["image"].shape, description.columns["label"].values
        files = [entry for images in listing.values() for entry in images]
        image = store.array("image", (len(files), *shape), "uint8")
        label = store.array("label", (len(files),), "int32")
        number = {name: index for index, name in enumerate(classes)}
        for row, (name, path) in enumerate(progress(files, "decoding images")):
            pixels = decode_image(path, path, shape[2], self.image_size)
            if pixels.shape != shape:
                raise DataError(
                    f"{path} is {pixels.shape[1]} x {pixels.shape[0]} pixels, the first image {shape[1]} x {shape[0]}",
                    help="image_size: [height, width] scales all images to one size",
                )
            if name not in number:
                raise DataError(f"{path} is of the class {name!r}, of which there is no training image")
            image[row], label[row] = pixels, number[name]
        return Raw(description, {"image": image, "label": label})

    def _describe(self, listing: Listing) -> Description:
        training = listing.get("train", listing.get("all", []))
        names = {name for name, _ in training}
        numeric = all(name.isdecimal() for name in names)
        classes = tuple(sorted(names, key=lambda name: (int(name) if numeric else 0, name)))
        height, width, channels = image_shape(training[0][1])
        if self.image_size is not None:
            height, width = self.image_size
        if self.color_mode is not None:
            channels = {"grey": 1, "rgb": 3}[self.color_mode]
        assert channels in MODES
        columns = {
            "image": Column("image", "image", (height, width, channels), "uint8", range=(0.0, 255.0)),
            "label": Column("label", "labels", original="str", values=classes),
        }
        return Description(columns, {split: len(images) for split, images in listing.items()}, "label")

    def _listing(self) -> Listing:
        root = find_path(self.path)
        if not root.is_dir():
            raise DataError(f"{root} is a file, expected a folder of folders of images")
        tops = _folders(root)
        if tops and all(top.name in SPLITS for top in tops):
            found = {SPLITS[top.name]: _images(top) for top in tops}
            listing = {split: found[split] for split in ("train", "validation", "test") if found.get(split)}
        else:
            listing = {"all": _images(root)}
        if not listing.get("train", listing.get("all")):
            raise DataError(
                f"there are no training images in {root}", help="expected folders of images named after their classes"
            )
        return listing


def _folders(root: Path) -> list[Path]:
    try:
        with os.scandir(root) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"can't read {root}: {error.strerror}") from None


def _images(root: Path) -> list[tuple[str, Path]]:
    found = []
    for folder in _folders(root):
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if Path(entry.name).suffix.lower() in SUFFIXES and not entry.name.startswith(".")
            )
        found += [(folder.name, folder / name) for name in names]
    return found
