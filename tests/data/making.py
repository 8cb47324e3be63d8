"""Small data files, made where a test needs them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.data.config import DataConfig

Array = np.ndarray[Any, np.dtype[Any]]


def data_config(**fields: Any) -> DataConfig:
    return DataConfig.model_validate(fields)


def write_idx(path: Path, array: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(folder: Path, train: int = 100, test: int = 40, seed: int = 0) -> tuple[Array, Array]:
    """Random images with labels that are even over the classes; returns them, training rows first."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (train + test, 28, 28), np.uint8)
    labels = (np.arange(train + test) % 10).astype(np.uint8)
    for prefix, rows in (("train", slice(None, train)), ("t10k", slice(train, None))):
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", images[rows])
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels[rows])
    return images, labels


def write_csv(path: Path, columns: dict[str, list[Any]]) -> None:
    """None is written as an empty field."""
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join("" if value is None else str(value) for value in row))
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def write_image(path: Path, pixels: Array) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
