"""npz: several NumPy arrays in one file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.sources.arrays import describe_arrays, group_splits, read_arrays
from dlrun.data.sources.base import Description, Raw, Source, Store
from dlrun.data.sources.files import file_stamp, find_path
from dlrun.errors import DataError

DAMAGE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError)


class Npz(Source):
    """NumPy arrays by name, a row for each sample: numbers of any shape, images as bytes, text.

    The target is the array y, label, labels, target or targets unless the config names another. Arrays x_train,
    y_train, x_test, y_test ... are columns x and y with given splits.
    """

    type: Literal["npz"] = "npz"
    path: str
    """The file; a relative path starts at the working folder, or at a folder of DLRUN_DATASETS."""

    def stamp(self) -> list[Any]:
        """The file's path, size and time."""
        return file_stamp([find_path(self.path)])

    def probe(self) -> Description:
        """From the arrays' headers."""
        path = find_path(self.path)
        return describe_arrays(npz_heads(path), path)

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """The arrays asked for."""
        path = find_path(self.path)
        heads = npz_heads(path)
        groups = group_splits(list(heads))
        wanted = {name: parts for name, parts in groups.items() if columns is None or name in columns}
        arrays = read_npz(path, [key for parts in wanted.values() for key in parts.values()])
        return read_arrays(describe_arrays(heads, path), wanted, arrays)


def npz_heads(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]]:
    """Shape and dtype of each array without reading it; raises DataError for a damaged or foreign file."""
    heads = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    version = np.lib.format.read_magic(file)
                    read = (
                        np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
                    )
                    shape, _, dtype = read(file)
                    heads[name.removesuffix(".npy")] = (shape, dtype)
    except DAMAGE as error:
        raise _damaged(path, error) from None
    return heads


def read_npz(path: Path, keys: list[str]) -> dict[str, Array]:
    """The arrays; raises DataError for a damaged file, and for arrays of Python objects, which would be unpickled."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in keys}
    except DAMAGE as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"can't read {path} as npz: {error}", help="replace it by a whole file, as numpy.savez writes it")
