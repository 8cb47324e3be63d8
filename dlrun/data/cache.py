"""Arrays kept on disk between runs: memory-mapped, written whole or not at all, checked when they are opened.

An entry is a folder `<cache>/data/<kind>-<key>` of .npy files and a `meta.json` that names them. It is filled under
a temporary name and renamed, so that several processes may prepare the same data at once: the first wins, and the
others use its entry. Entries that were not used for longest go when all together exceed a limit.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.data.dataset import Array

LIMIT = 20 << 30
"""Bytes that all entries together may take."""
STALE = 24 * 3600.0
"""Seconds after which an unfinished entry is taken for one of a process that died."""
SAMPLES = 16
"""Pages of each file whose checksum is compared when an entry is opened; the whole file would take too long."""
PAGE = 4096
RECENT = 3600.0
"""Seconds for which an entry that was used is kept whatever the limit: a run may need it again at once."""


def folder() -> Path:
    """The folder of dlrun's caches: DLRUN_CACHE, or ~/.cache/dlrun."""
    named = os.environ.get("DLRUN_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "dlrun"


def digest(value: Any) -> str:
    """The hex SHA-256 of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class Entry:
    """An entry that was opened: its arrays, read-only and memory-mapped, and what was stored beside them."""

    arrays: Mapping[str, Array]
    content: Mapping[str, Any]


def open_entry(kind: str, key: str) -> Entry | None:
    """The entry, or None when there is none; one that is damaged is removed."""
    place = _place(kind, key)
    if not place.is_dir():
        return None
    try:
        stored = json.loads((place / "meta.json").read_bytes())
        if digest(stored["body"]) != stored["sha256"]:
            raise ValueError("meta.json is damaged")
        arrays = {name: _open_array(place, meta) for name, meta in stored["body"]["arrays"].items()}
        os.utime(place)
    except (OSError, ValueError, KeyError, TypeError):
        remove(kind, key)
        return None
    return Entry(arrays, stored["body"]["content"])


def remove(kind: str, key: str) -> None:
    """Takes an entry away; processes that have mapped it keep what they mapped."""
    shutil.rmtree(_place(kind, key), ignore_errors=True)


class Writer:
    """An entry being filled; raises OSError where the folder can't be written or the disk is full."""

    def __init__(self, kind: str, key: str) -> None:
        self.kind, self.key = kind, key
        parent = _place(kind, key).parent
        parent.mkdir(parents=True, exist_ok=True)
        prune(parent)
        self.place = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        self._maps: dict[str, tuple[str, np.memmap[Any, np.dtype[Any]]]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        """A new array to fill, backed by a file whose blocks are reserved: a full disk shows here, not as a crash."""
        file = f"{len(self._maps)}.npy"
        mapped = np.lib.format.open_memmap(self.place / file, "w+", np.dtype(dtype), shape)
        with (self.place / file).open("r+b") as opened:
            _reserve(opened.fileno(), self.place, os.path.getsize(self.place / file))
        self._maps[name] = (file, mapped)
        return mapped.view(np.ndarray)

    def commit(self, content: Mapping[str, Any]) -> Entry:
        """Puts the entry in its place and opens it."""
        arrays = {}
        for name, (file, mapped) in self._maps.items():
            mapped.flush()
            arrays[name] = {"file": file, "shape": mapped.shape, "dtype": str(mapped.dtype), **_size(self.place / file)}
        self._maps.clear()
        body = json.loads(json.dumps({"arrays": arrays, "content": content}))
        (self.place / "meta.json").write_text(json.dumps({"sha256": digest(body), "body": body}))
        target = _place(self.kind, self.key)
        try:
            os.rename(self.place, target)
        except OSError:
            # Another process was first, or a damaged entry stands there, which opening it removes.
            if open_entry(self.kind, self.key) is None:
                os.rename(self.place, target)
            self.discard()
        entry = open_entry(self.kind, self.key)
        if entry is None:
            raise OSError(f"the cache entry {target} can't be read back")
        return entry

    def discard(self) -> None:
        """Takes away what was written."""
        self._maps.clear()
        shutil.rmtree(self.place, ignore_errors=True)


def prune(parent: Path, limit: int = LIMIT) -> None:
    """Removes unfinished entries of dead processes, then the entries not used for longest, down to the limit."""
    entries = []
    for place in parent.iterdir():
        try:
            if not place.is_dir():
                continue
            age = time.time() - place.stat().st_mtime
            if place.name.startswith(".new-") and age > STALE:
                shutil.rmtree(place, ignore_errors=True)
            elif not place.name.startswith("."):
                entries.append((age, sum(file.stat().st_size for file in place.iterdir()), place))
        except OSError:
            continue  # another process removed it just now
    total = 0
    for age, size, place in sorted(entries):
        total += size
        if total > limit and age > RECENT:
            shutil.rmtree(place, ignore_errors=True)


def _place(kind: str, key: str) -> Path:
    return folder() / "data" / f"{kind}-{key[:40]}"


def _open_array(place: Path, meta: Mapping[str, Any]) -> Array:
    path = place / meta["file"]
    if _size(path) != {"bytes": meta["bytes"], "sample": meta["sample"]}:
        raise ValueError(f"{path} is damaged")
    array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    if list(array.shape) != meta["shape"] or str(array.dtype) != meta["dtype"]:
        raise ValueError(f"{path} is damaged")
    return array.view(np.ndarray)


def _size(path: Path) -> dict[str, int]:
    """The file's size and the checksum of its first, last and some pages between."""
    size = path.stat().st_size
    checksum = 0
    with path.open("rb") as file:
        for start in sorted({int(place) for place in np.linspace(0, max(size - PAGE, 0), SAMPLES)}):
            file.seek(start)
            checksum = zlib.crc32(file.read(PAGE), checksum)
    return {"bytes": size, "sample": checksum}


def _reserve(descriptor: int, place: Path, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    elif shutil.disk_usage(place).free < size:
        raise OSError(28, "No space left on device")
