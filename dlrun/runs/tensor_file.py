"""Writes safetensors files straight from the arrays' own memory.

The package's `save` makes the whole file in memory, and at its peak twice: for a checkpoint that would be most of the
memory that a training needs. Reading is the package's.

Source of the format: https://github.com/safetensors/safetensors (8 bytes of header length, a JSON header, the data).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

NAMES = {
    "float32": "F32", "float64": "F64", "int32": "I32", "int64": "I64", "uint8": "U8", "uint32": "U32",
    "uint64": "U64", "bool": "BOOL",
}  # fmt: skip
"""The format's names of the dtypes."""


def write_tensors(file: BinaryIO, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays (C-contiguous, little-endian, of dtypes in NAMES) and texts; wide numbers first: all are aligned.

    Raises: OSError when the disk is full.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    names, end = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)), 0
    for name in names:
        array = tensors[name]
        start, end = end, end + array.nbytes
        header[name] = {"dtype": NAMES[array.dtype.name], "shape": array.shape, "data_offsets": (start, end)}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        if tensors[name].size:
            file.write(tensors[name].reshape(-1).view(np.uint8).data)
