"""npy: NumPy arrays in files of their own, memory-mapped."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from dlrun.data.dataset import Array
from dlrun.data.sources.arrays import describe_arrays, group_splits, read_arrays
from dlrun.data.sources.base import Description, Raw, Source, Store
from dlrun.data.sources.files import file_stamp, find_path
from dlrun.errors import DataError


class Npy(Source):
    """NumPy arrays in files of their own, a row for each sample; they are memory-mapped, so may exceed the memory.

    Columns, target and splits are named as in an npz file.
    """

    type: Literal["npy"] = "npy"
    arrays: dict[str, str] = Field(min_length=1)
    """The file of each column: {x: images.npy, y: labels.npy}."""

    def stamp(self) -> list[Any]:
        """The files' paths, sizes and times."""
        return file_stamp(find_path(path) for path in self.arrays.values())

    def probe(self) -> Description:
        """From the files' headers."""
        arrays = {name: map_npy(find_path(path)) for name, path in self.arrays.items()}
        return describe_arrays({name: (array.shape, array.dtype) for name, array in arrays.items()}, "source.arrays")

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Maps the arrays asked for."""
        groups = {
            name: parts for name, parts in group_splits(list(self.arrays)).items() if columns is None or name in columns
        }
        keys = [key for parts in groups.values() for key in parts.values()]
        return read_arrays(self.probe(), groups, {key: map_npy(find_path(self.arrays[key])) for key in keys})


def map_npy(path: Path) -> Array:
    """The array in a file, memory-mapped; raises DataError for a damaged or foreign file."""
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"can't read {path} as npy: {error}", help="replace it by a file that numpy.save wrote"
        ) from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is an npz file", help="use {type: npz, path: ...}")
    return array.view(np.ndarray)
