"""Image files as arrays, with Pillow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.data.dataset import Array
from dlrun.errors import DataError, MissingExtra

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""The files in a folder that are taken for images; others are left alone."""

DEEP = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
"""Pillow's modes of more than 8 bits, which its conversion to "L" would clip."""
MODES = {1: "L", 3: "RGB"}


def pillow(purpose: str) -> Any:
    """The module PIL.Image; raises MissingExtra where Pillow is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("pillow", "images", purpose) from None
    return Image


def image_shape(path: Path) -> tuple[int, int, int]:
    """(height, width, channels 1 or 3) from a file's header alone; raises DataError for what is no image."""
    image = pillow("reading image files")
    try:
        with image.open(path) as opened:
            channels = 1 if opened.mode in ("1", "L", "LA", "I", "I;16", "F") else 3
            return opened.height, opened.width, channels
    except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
        raise not_an_image(path, error) from None


def decode_image(
    source: Path | bytes, name: str | Path, channels: int, size: tuple[int, int] | None = None, fit: str = "exact"
) -> Array:
    """One image as (height, width, channels) uint8, converted to grey or RGB as `channels` asks.

    `size` is the (height, width) to scale to, bilinearly. With `fit` "proportional" an image of other proportions is
    an error; with "exact" any size is scaled. Raises DataError, naming the file, when it can't be decoded.
    """
    image = pillow("reading image files")
    try:
        with image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
            if opened.mode in DEEP:
                raise DataError(
                    f"{name} has more than 8 bits per channel (Pillow's mode {opened.mode}), which would be cut off",
                    help="convert it to 8 bits, or put such images into an npz file as floats",
                )
            if size is not None and (opened.height, opened.width) != size:
                if fit == "proportional" and opened.height * size[1] != opened.width * size[0]:
                    raise DataError(
                        f"{name} is {opened.width} x {opened.height} pixels; the network takes {size[1]} x {size[0]}",
                        help="cut or pad it to the same proportions",
                    )
                pixels = opened.convert(MODES[channels]).resize((size[1], size[0]), image.Resampling.BILINEAR)
            else:
                pixels = opened.convert(MODES[channels])
            array = np.asarray(pixels, np.uint8)
    except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
        raise not_an_image(name, error) from None
    return array if channels == 3 else array[:, :, np.newaxis]


def not_an_image(name: str | Path, error: Exception) -> DataError:
    """The error for a file that is not the image its name says."""
    cause = "its content is no image" if type(error).__name__ == "UnidentifiedImageError" else str(error)
    return DataError(f"can't read the image {name}: {cause}", help="remove the file or replace it by a whole one")
