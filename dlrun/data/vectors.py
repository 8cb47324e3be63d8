"""Files of vectors that words begin with: GloVe's and word2vec's text, or an array of NumPy or safetensors."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from dlrun.data.dataset import Array
from dlrun.errors import DataError, ShapeError

ARRAYS = (".npy", ".npz", ".safetensors")
"""Files whose rows are counted by id; in any other file a line is a word and its numbers."""


@dataclass(frozen=True)
class Vectors:
    """The vectors (n, width) of the rows `ids` (n,) of a table; the other rows have none in the file."""

    ids: Array
    values: Array


def hash_of(path: Path) -> str:
    """The SHA-256 of a file, as hex digits; raises DataError."""
    with _opening(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def holds_array(path: Path) -> bool:
    """Whether a file's rows are counted by id, and not named by words."""
    return path.suffix in ARRAYS


def check_words(path: Path, width: int) -> None:
    """Raises ShapeError unless the first vector of a text file has this width; DataError where it can't be read."""
    for number, line in _lines(path):
        _expect_width(path, number, len(line.split()) - 1, width)
        return
    raise DataError(f"{path} holds no vectors")


def read_words(path: Path, words: Sequence[str], width: int, lowercase: bool) -> Vectors:
    """The vectors of words (row i of the table is that of words[i]), of the first line that has the word.

    With `lowercase`, a word that isn't in the file takes the vector of its small letters. Raises ShapeError for vectors
    of another width, DataError for lines that hold no vector.
    """
    spellings = [[each.encode() for each in ((word, word.lower()) if lowercase else (word,))] for word in words]
    wanted = {spelling for each in spellings for spelling in each if spelling}
    begins = {spelling.split(b" ", 1)[0] for spelling in wanted}
    found: dict[bytes, Array] = {}
    check_words(path, width)
    for number, line in _lines(path):
        if line[: max(line.find(b" "), 0)] not in begins:
            continue
        word, *fields = line.rsplit(maxsplit=width)
        if len(fields) < width:
            _expect_width(path, number, len(fields), width)
        if word in wanted and word not in found:
            found[word] = _numbers(path, number, fields)
    known = [
        (index, next(found[spelling] for spelling in each if spelling in found))
        for index, each in enumerate(spellings)
        if not found.keys().isdisjoint(each)
    ]
    ids = np.array([index for index, _ in known], np.int64)
    return Vectors(ids, np.array([vector for _, vector in known], np.float64).reshape(len(known), width))


def read_array(path: Path, tensor: str | None, shape: tuple[int, int]) -> Vectors:
    """A whole table; `tensor` names it in a file of several. Raises ShapeError for another shape, DataError."""
    array = _array(path, tensor)
    if array.shape != shape:
        raise ShapeError(
            f"{path} holds an array of shape {array.shape}, the table needs {shape}: a row for each id", "weights"
        )
    if array.dtype.kind not in "fiu":
        raise DataError(f"{path} holds {array.dtype}, not numbers")
    if not np.isfinite(array).all():
        raise DataError(f"{path} holds NaN or infinity")
    return Vectors(np.arange(shape[0]), array.astype(np.float64))


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as error:
        raise DataError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that hold vectors, with their numbers; word2vec's first line, two whole numbers, is left out."""
    with _opening(path), _opened(path) as opened:
        for number, line in enumerate(opened, 1):
            fields = line.split(maxsplit=2)
            is_header = number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields)
            if fields and not is_header:
                yield number, line.rstrip()


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _expect_width(path: Path, number: int, found: int, width: int) -> None:
    if found < 1:
        raise DataError(f"{path}:{number} is no word with its numbers, separated by blanks")
    if found != width:
        message = f"{path}:{number} has a vector of {found} numbers, output_dim is {width}"
        raise ShapeError(message, "output_dim", f"output_dim: {found}")


def _numbers(path: Path, number: int, fields: Sequence[bytes]) -> Array:
    try:
        vector = np.array([float(field) for field in fields], np.float64)
    except ValueError as error:
        raise DataError(f"{path}:{number} is no word with its numbers: {error}") from None
    if not np.isfinite(vector).all():
        raise DataError(f"{path}:{number} holds NaN or infinity")
    return vector


def _array(path: Path, tensor: str | None) -> Array:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        with _opening(path):
            loaded: Any = load_file(path) if path.suffix == ".safetensors" else np.load(path, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            return _chosen(path, loaded, tensor)
    except (ValueError, KeyError, SafetensorError) as error:
        raise DataError(f"{path} holds no array that can be read: {error}") from None


def _chosen(path: Path, arrays: Mapping[str, Array], tensor: str | None) -> Array:
    names = ", ".join(arrays)
    if tensor is None and len(arrays) == 1:
        return arrays[next(iter(arrays))]
    if tensor is None or tensor not in arrays:
        message = f"{path} holds {names or 'no array'}" + (f", not {tensor!r}" if tensor is not None else "")
        raise ShapeError(message, "weights", f"weights: {{path: {path}, tensor: NAME}} says which")
    return arrays[tensor]
