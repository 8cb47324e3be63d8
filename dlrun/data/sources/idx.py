"""The idx format of MNIST and its kin (Y. LeCun, yann.lecun.com/exdb/mnist, "The IDX file format")."""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO, cast

from dlrun.data.dataset import Array
from dlrun.errors import DataError

UNSIGNED_BYTES = 0x08


def read_idx_shape(path: Path) -> tuple[int, ...]:
    """The shape that a file's header gives; raises DataError."""
    with _open(path) as file:
        return _header(file, path)


def read_idx(path: Path, into: Array) -> None:
    """Decodes a file of unsigned bytes, gzipped or not, into an array of its shape; raises DataError.

    Reads straight into the array, and to the end of the file, so that gzip's checksum is verified.
    """
    try:
        with _open(path) as file:
            shape = _header(file, path)
            if shape != into.shape:
                raise DataError(f"{path} holds an array of shape {shape}, expected {into.shape}")
            view = into.reshape(-1).data.cast("B")
            filled = 0
            while filled < len(view):
                count = file.readinto(view[filled : filled + (1 << 24)])  # type: ignore[attr-defined]
                if not count:
                    raise DataError(f"{path} is cut off: {filled} of {len(view)} bytes", help=_help(path))
                filled += count
            if file.read(1):
                raise DataError(f"{path} holds more than the {prod(shape)} bytes its header announces")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}", help=_help(path)) from None
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}", help=_help(path)) from None


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _header(file: BinaryIO, path: Path) -> tuple[int, ...]:
    try:
        magic = file.read(4)
        if len(magic) < 4 or magic[:3] != bytes([0, 0, UNSIGNED_BYTES]) or not 1 <= magic[3] <= 8:
            raise DataError(f"{path} is no idx file of bytes: it starts with {magic.hex(' ')}", help=_help(path))
        sizes = file.read(4 * magic[3])
        if len(sizes) < 4 * magic[3]:
            raise DataError(f"{path} is cut off within its header", help=_help(path))
        return cast(tuple[int, ...], struct.unpack(f">{magic[3]}I", sizes))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}", help=_help(path)) from None


def _help(path: Path) -> str:
    return f"delete {path} and fetch it again"
