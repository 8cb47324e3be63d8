"""Checkpoints: safetensors files that are whole or refused.

A checkpoint is an ordinary safetensors file, so any tool can read its tensors. Its metadata hold one JSON text per
entry, and two entries of our own:

    dlrun_checkpoint   the version of this layout, "1"
    sha256             the hash of all tensors and all other metadata

The hash tells damage (bit rot, a cut copy, an edited file) from the real thing. It is no signature: whoever edits a
file on purpose can compute it anew. Nothing is ever pickled, so a hostile file can at worst hold bad numbers.

Source of the format: https://github.com/safetensors/safetensors (8 bytes of header length, a JSON header, the data).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.errors import CheckpointError
from dlrun.runs.files import replacing
from dlrun.runs.tensor_file import NAMES, write_tensors

Array = np.ndarray[Any, np.dtype[Any]]

FORMAT_VERSION = 1
DTYPES = tuple(NAMES)
"""What a tensor of a checkpoint may hold."""
_VERSION_KEY = "dlrun_checkpoint"
_HASH_KEY = "sha256"
_LARGEST_HEADER = 100_000_000  # safetensors' own limit
_FOREIGN = {
    b"PK\x03\x04": "a zip archive, perhaps of torch.save or an .npz",
    b"\x80": "a pickle",
    b"\x89HDF": "an HDF5 file, perhaps of Keras",
    b"\x93NUMPY": "an .npy file",
}


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds: arrays by name, JSON-able values by name, and the hash of both."""

    tensors: Mapping[str, Array]
    metadata: Mapping[str, Any]
    content_hash: str


def save_checkpoint(path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, Any]) -> str:
    """Writes a checkpoint and returns its content hash; an earlier file of that name stands until the new one is whole.

    `tensors` may have any shape, () and empty ones included, and the dtypes of DTYPES. `metadata` are JSON-able values.

    Raises: RunError when the disk is full or the place can't be written; TypeError for a dtype or value that a
    checkpoint can't hold; ValueError for a metadata name that is taken.
    """
    arrays = {name: _storable(name, array) for name, array in tensors.items()}
    texts = _encode(metadata)
    content_hash = _content_hash(arrays, texts)
    texts[_HASH_KEY] = content_hash
    with replacing(Path(path)) as temporary, temporary.open("wb") as file:
        write_tensors(file, arrays, texts)
    return content_hash


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint and makes sure that it holds what was written.

    Raises: CheckpointError when it isn't there, is empty, truncated, foreign, damaged, or of another version.
    """
    path = Path(path)
    tensors, texts = _read(path)
    if _VERSION_KEY not in texts:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a checkpoint of dlrun: its metadata have no {_VERSION_KEY!r}",
            "weights of another program can be used as initialize_from",
        )
    if texts[_VERSION_KEY] != str(FORMAT_VERSION):
        raise CheckpointError(
            f"{path} has checkpoint format {texts[_VERSION_KEY]!r}, and this dlrun reads format {FORMAT_VERSION}",
            "use the version of dlrun that wrote it, or a newer one",
        )
    expected = texts.pop(_HASH_KEY, "")
    if _content_hash(tensors, texts) != expected:
        raise CheckpointError(
            f"{path} is damaged: its content doesn't have the hash that it was written with",
            "use another checkpoint of the run, or a copy of this one",
        )
    del texts[_VERSION_KEY]
    return Checkpoint(tensors, {name: json.loads(text) for name, text in texts.items()}, expected)


def load_tensors(path: Path) -> dict[str, Array]:
    """The tensors of any safetensors file, of dlrun or another program; of dlrun's own the hash is checked.

    Raises: CheckpointError when it isn't there, is empty, truncated or foreign, or holds a dtype that dlrun has not.
    """
    path = Path(path)
    tensors, texts = _read(path)
    if _VERSION_KEY in texts:
        return dict(load_checkpoint(path).tensors)
    return tensors


def hash_tensors(tensors: Mapping[str, Array]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes (little-endian), in the order of the names, as hex digits."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = _storable(name, tensors[name])
        head = json.dumps([name, array.dtype.name, list(array.shape)]).encode()
        digest.update(len(head).to_bytes(8, "little") + head)
        digest.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def _content_hash(tensors: Mapping[str, Array], texts: Mapping[str, str]) -> str:
    parts = json.dumps([hash_tensors(tensors), sorted(texts.items())])
    return hashlib.sha256(parts.encode()).hexdigest()


def _storable(name: str, array: Array) -> Array:
    """The array as safetensors needs it: contiguous and little-endian."""
    if array.dtype.name not in DTYPES:
        raise TypeError(f"a checkpoint can't hold {name!r} of dtype {array.dtype}: one of {', '.join(DTYPES)}")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _encode(metadata: Mapping[str, Any]) -> dict[str, str]:
    taken = {_VERSION_KEY, _HASH_KEY} & set(metadata)
    if taken:
        raise ValueError(f"the metadata's names {sorted(taken)} are the checkpoint's own")
    texts = {name: json.dumps(value, sort_keys=True) for name, value in metadata.items()}
    return {_VERSION_KEY: str(FORMAT_VERSION), **texts}


def _read(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises: CheckpointError."""
    from safetensors import SafetensorError, safe_open

    try:
        size = _size(path)
        with safe_open(path, framework="np") as file:
            texts = dict(file.metadata() or {})
            tensors = {name: _tensor(path, file, name) for name in file.keys()}  # noqa: SIM118 - the handle is no mapping
    except OSError as error:
        raise CheckpointError(f"can't read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} {_diagnosis(path, size, error)}") from error
    return tensors, texts


def _tensor(path: Path, file: Any, name: str) -> Array:
    try:
        array: Array = file.get_tensor(name)
        dtype = array.dtype.name
    except (TypeError, KeyError) as error:  # a dtype that NumPy doesn't have, bfloat16 say
        dtype = str(error)
    if dtype not in DTYPES:
        raise CheckpointError(
            f"{path} holds the tensor {name!r} in a number format that dlrun doesn't use: {dtype}",
            "convert it to float32",
        )
    return array


def _size(path: Path) -> int:
    if path.is_dir():
        raise CheckpointError(
            f"{path} is a directory, not a checkpoint", f"name a file, {path / 'checkpoints' / 'last.safetensors'} say"
        )
    if not path.exists():
        raise CheckpointError(f"there is no checkpoint {path}")
    size = path.stat().st_size
    if size == 0:
        raise CheckpointError(f"{path} is empty: 0 bytes")
    return size


def _diagnosis(path: Path, size: int, error: Exception) -> str:
    """In words, why safetensors refused the file: cut short, another format, or damaged."""
    with open(path, "rb") as file:
        head = file.read(9)
    for magic, kind in _FOREIGN.items():
        # A safetensors file can begin with any byte of a small header length; its ninth is the header's brace.
        if head.startswith(magic) and head[8:] != b"{":
            return f"is not a safetensors file: it looks like {kind}"
    header = int.from_bytes(head[:8], "little")
    if (len(head) == 9 and head[8:] != b"{") or header > _LARGEST_HEADER:
        return "is not a safetensors file"
    if size < 8 + header or size < _announced_size(path, header):
        return f"is truncated: it ends after {size} bytes, before all that its header announces"
    return f"is damaged, or not a safetensors file: {error}"


def _announced_size(path: Path, header: int) -> int:
    """How many bytes the file should have by its own header, or 0 when the header can't be read."""
    with open(path, "rb") as file:
        file.seek(8)
        try:
            entries = json.loads(file.read(header))
            ends = [int(entry["data_offsets"][1]) for name, entry in entries.items() if name != "__metadata__"]
            return 8 + header + max(ends)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return 0
