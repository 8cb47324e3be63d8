"""A source's columns, decoded: from the cache where decoding them takes long."""

from __future__ import annotations

import hashlib

import numpy as np

from dlrun.data import cache
from dlrun.data.codec import description_from_json, description_to_json
from dlrun.data.config import DataConfig
from dlrun.data.sources.base import MemoryStore, Raw, Source
from dlrun.errors import DataError

VERSION = 4
"""Goes up when the same config shall give other arrays than before, so that old cache entries aren't used."""


def read_source(config: DataConfig, wanted: tuple[str, ...]) -> tuple[Raw, dict[str, str]]:
    """The source's columns and each one's SHA-256; from the cache where decoding them takes long."""
    source = config.source
    if not source.keeps_decoded or config.cache == "memory":
        raw = source.read(MemoryStore(), wanted)
        return raw, _hashes(raw)
    key = cache.digest({"version": VERSION, "source": source.model_dump(mode="json"), "stamp": source.stamp()})
    entry = cache.open_entry("decoded", key)
    if entry is None:
        try:
            entry = _decoded(source, key)
        except OSError as error:
            if config.cache == "disk":
                raise unwritable(error) from None
            raw = source.read(MemoryStore(), wanted)
            return raw, _hashes(raw)
    description = description_from_json(entry.content["description"])
    return Raw(description, entry.arrays), dict(entry.content["hashes"])


def unwritable(error: OSError) -> DataError:
    """The error for a cache that can't be written."""
    return DataError(
        f"the cache folder {cache.folder()} can't be written ({error.strerror or error})",
        help="make room there, name another folder in DLRUN_CACHE, or set `data.cache: memory`",
    )


def _decoded(source: Source, key: str) -> cache.Entry:
    """Decodes a source into the cache; raises OSError where that can't be written."""
    writer = cache.Writer("decoded", key)
    try:
        raw = source.read(writer)
        return writer.commit({"description": description_to_json(raw.description), "hashes": _hashes(raw)})
    finally:
        writer.discard()


def _hashes(raw: Raw) -> dict[str, str]:
    """The SHA-256 of each column: its type, its values and the strings behind its codes."""
    result = {}
    for name, array in raw.arrays.items():
        column = raw.description.columns[name]
        digest = hashlib.sha256(f"{array.dtype}{array.shape}{column.values}".encode())
        contiguous = np.ascontiguousarray(array)
        digest.update(contiguous.reshape(-1).view(np.uint8).data)
        result[name] = digest.hexdigest()
    return result
