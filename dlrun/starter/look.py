"""What stands at a path: a table, a folder of images, texts; and the first config for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.data.config import DataConfig
from dlrun.data.images import SUFFIXES, image_shape
from dlrun.data.load import load
from dlrun.data.sources.files import find_path
from dlrun.data.sources.image_folder import ImageFolder
from dlrun.data.sources.text_files import list_files
from dlrun.errors import DataError, UsageError
from dlrun.starter.config_text import (
    image_config,
    language_model_config,
    language_model_data,
    table_config,
    texts_config,
)
from dlrun.starter.table import Table, read_table

SIDE = 64
"""Images of several sizes are scaled to squares of so many pixels at most."""
LOOKED_AT = 200
"""Images whose sizes are compared."""
TEXT_LENGTH = 64
"""Words of a text that the network sees, where a folder holds the texts."""


@dataclass(frozen=True)
class Found:
    """What a path holds, in words, and the table if it is one: then a target is to be chosen."""

    path: str
    what: str
    table: Table | None = None
    config: str = ""

    def config_for(self, target: str | None) -> str:
        """The config's text; of a table, for a target, the likeliest when None. Raises: UsageError."""
        if self.table is None:
            if target is not None:
                raise UsageError(f"{self.path} is no table: there is no column {target!r} to predict")
            return self.config
        names = [column.name for column in self.table.targets()]
        if target is None and not names:
            raise UsageError(f"{self.path} has no column that could be predicted")
        chosen = self.table.column(names[0] if target is None else target)
        if chosen is None:
            known = ", ".join(column.name for column in self.table.columns)
            raise UsageError(f"{self.path} has no column {target!r}", f"one of: {known}")
        if chosen.name not in names:
            raise UsageError(f"the column {chosen.name!r} can't be predicted: {chosen.reason or 'it holds texts'}")
        return table_config(self.table, chosen)


def look(path: str) -> Found:
    """See what a file or folder holds. Raises: DataError where nothing can be learned from it; MissingExtra."""
    place = find_path(path)
    if place.is_dir():
        return _folder(path, place)
    table = read_table(path, place)
    if table is not None:
        return Found(path, f"a table of {table.rows:,} rows and {len(table.columns)} columns", table)
    data = language_model_data(path)
    classes = load(DataConfig.model_validate(data), 0).signature.inputs["text"].classes or ()
    what = f"a text of {place.stat().st_size:,} bytes, {len(classes)} different letters"
    return Found(path, what, config=language_model_config(data, len(classes)))


def _folder(path: str, place: Path) -> Found:
    try:
        source, splits = _image_source(path, place)
    except DataError as no_images:
        try:
            return _texts(path, place)
        except DataError:
            raise DataError(
                f"{place} holds neither images nor texts by class: {no_images.message}",
                "folders named after classes, with images or .txt files in them; or name one file",
            ) from None
    described = ImageFolder.model_validate(source).probe()
    image, classes = described.columns["image"], described.columns["label"].values
    rows = sum(splits.values())
    text = image_config(source, image.shape, len(classes), rows, _split(splits))
    return Found(path, f"a folder of {rows:,} images of {len(classes)} classes", config=text)


def _image_source(path: str, place: Path) -> tuple[dict[str, Any], Mapping[str, int]]:
    source: dict[str, Any] = {"type": "image_folder", "path": path}
    splits = ImageFolder(path=str(place)).probe().rows
    files = sorted(file for file in place.rglob("*") if file.suffix.lower() in SUFFIXES)
    shapes = {image_shape(file) for file in files[:: max(len(files) // LOOKED_AT, 1)]}
    if len({shape[:2] for shape in shapes}) > 1:
        side = min(SIDE, *(min(shape[:2]) for shape in shapes))
        source["image_size"] = [side, side]
    if len({shape[2] for shape in shapes}) > 1:
        source["color_mode"] = "rgb"
    return source, splits


def _texts(path: str, place: Path) -> Found:
    files = list_files(place, None)
    classes = sorted({file.label for file in files if file.label is not None})
    if len(classes) < 2:
        raise DataError(f"{place} holds texts of fewer than two classes")
    counts = {file.split: 1 for file in files}
    text = texts_config({"type": "text", "path": path}, len(classes), TEXT_LENGTH, _split(counts))
    return Found(path, f"texts of the classes {', '.join(classes)}", config=text)


def _split(given: Mapping[str, int]) -> str:
    """The split that a config needs beside those that the files have: validation, and test where there is none."""
    if "all" in given:
        return "{validation: 0.15, test: 0.15}"
    return "" if "validation" in given else "{validation: 0.15}"
