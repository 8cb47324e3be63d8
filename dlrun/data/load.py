"""A config's data, ready for training: from the cache at once, or read, divided, transformed and kept there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from dlrun.data import cache
from dlrun.data.codec import fitted_from_json, fitted_to_json, signature_from_json, signature_to_json
from dlrun.data.config import DataConfig
from dlrun.data.dataset import Array, Dataset, Split
from dlrun.data.negatives import with_negatives
from dlrun.data.pipeline import FittedPipeline, chunks, gather
from dlrun.data.prepare import Prepared, outline_signature, prepare
from dlrun.data.reading import VERSION, unwritable
from dlrun.data.series import Series, series_array, window_split
from dlrun.data.signature import Signature
from dlrun.data.sources.base import MemoryStore, Store
from dlrun.data.split import limited
from dlrun.data.streams import Cut, following, window_rows
from dlrun.errors import DataError

ROWS = 1 << 14
"""Windows of a stream that are copied at a time."""

__all__ = ["load", "probe"]


def load(
    config: DataConfig, seed: int, fitted: Mapping[str, Any] | None = None, only: Sequence[str] | None = None
) -> Dataset:
    """The data set that a config describes: split, transformed, ready to train on.

    With `negatives` each row is followed by those that are drawn beside it; all splits are then needed to draw them.
    `seed` is the run's seed. `fitted` is what the transforms of an earlier run learned, applied unchanged instead of
    learning anew. `only` names the splits that are needed; a name that doesn't exist is simply not in the result.
    Raises ConfigError for what is wrong in the config, DataError for what is wrong in the data, MissingExtra.
    """
    if config.negatives is None:
        return _load(config, seed, fitted, only)
    return with_negatives(_load(config, seed, fitted, None), config.negatives, seed)


def _load(config: DataConfig, seed: int, fitted: Mapping[str, Any] | None, only: Sequence[str] | None) -> Dataset:
    config.source.fetch()
    key = _key(config, seed, fitted)
    cached = config.cache != "memory" and config.source.cached
    entry = cache.open_entry("prepared", key) if cached else None
    if entry is not None:
        return _restored(entry, only)
    prepared = prepare(config, seed, fitted)
    if not cached or (only is not None and not set(prepared.splits) <= set(only)):
        return _built(prepared, MemoryStore(), only)
    try:
        return _restored(_kept(prepared, key), only)
    except OSError as error:
        failure = unwritable(error)
        if config.cache == "disk":
            raise failure from None
        built = _built(prepared, MemoryStore(), only)
        note = f"{failure.message}: the data will be prepared anew at each start"
        return Dataset(**{**vars(built), "notes": (*built.notes, note)})


def probe(config: DataConfig, seed: int) -> Signature:
    """The names, shapes, dtypes and classes of what `load` will give, exactly, reading no more than that takes.

    Images are described by their files' heads; a table is read, as its types and categories show only in its rows.
    What only the rows could tell is left at 1 then: the learned scale of images that stay bytes, and the rows of each
    class. Raises as `load` does.
    """
    if config.negatives is not None:
        return load(config, seed).signature
    cached = _cached_signature(config, seed)
    signature = cached if cached is not None else outline_signature(config)
    return signature if signature is not None else load(config, seed).signature


def _cached_signature(config: DataConfig, seed: int) -> Signature | None:
    """The signature of a data set in the cache; None where there is none, or no data yet."""
    if config.cache == "memory" or not config.source.cached:
        return None
    try:
        entry = cache.open_entry("prepared", _key(config, seed, None))
    except DataError:
        return None  # the files are missing: the source's own description, or its error, follows
    return None if entry is None else signature_from_json(entry.content["signature"])


def _key(config: DataConfig, seed: int, fitted: Mapping[str, Any] | None) -> str:
    return cache.digest(
        {
            "version": VERSION,
            "config": config.model_dump(mode="json", exclude={"cache", "augment", "resample"}),
            "seed": seed,
            "stamp": config.source.stamp(),
            "fitted": None if fitted is None else cache.digest(fitted_to_json(fitted)),
        }
    )


def _built(prepared: Prepared, store: Store, only: Sequence[str] | None) -> Dataset:
    """Applies the transforms, chunk by chunk, into arrays of the store."""
    names = [name for name in prepared.splits if only is None or name in only]
    if prepared.series is not None:
        splits = _series_splits(prepared, prepared.series, names, store)
    else:
        splits = {name: _split(prepared, name, prepared.splits[name], store) for name in names}
    description = prepared.raw.description
    return Dataset(
        prepared.signature, splits, prepared.fingerprint, prepared.fitted, description.variant, description.notes
    )


def _split(prepared: Prepared, split: str, index: Array, store: Store) -> Split:
    if prepared.windows is not None:
        return _stream_split(prepared, split, index, store)
    inputs = {
        name: _transformed(feature, prepared, index, store, f"{split}/inputs/{name}")
        for name, feature in prepared.inputs.items()
    }
    targets = {}
    for name in prepared.signature.targets:
        if name in prepared.shared:
            targets[name] = inputs[prepared.shared[name]]
        elif name in prepared.following:
            source = prepared.following[name]
            ids = inputs[source.input]
            targets[name] = store.array(f"{split}/targets/{name}", ids.shape, "int32")
            targets[name][:] = following(ids, source.shift)
        else:
            label = f"{split}/targets/{name}"
            targets[name] = _transformed(prepared.targets[name], prepared, index, store, label)
    rows = store.array(f"{split}/index", index.shape, "int64")
    rows[:] = index
    return Split(inputs, targets, _weights(prepared, split, index, store), rows)


def _stream_split(prepared: Prepared, split: str, index: Array, store: Store) -> Split:
    """The windows of a split's pieces; `index` counts them."""
    ((name, feature),) = prepared.inputs.items()
    cut = feature.plan.steps[-1].transform
    assert isinstance(cut, Cut)
    tokens = feature.before_last(gather(feature.plan, prepared.raw.arrays, index))
    ids, found = window_rows(tokens, cut, prepared.following)
    chosen = np.arange(len(ids), dtype=np.int64)
    if split == "train":
        chosen = limited(chosen, prepared.limit, prepared.seed)
    labels = {f"{split}/inputs/{name}": ids, **{f"{split}/targets/{each}": found[each] for each in found}}
    arrays = {}
    for label, array in labels.items():
        arrays[label] = store.array(label, (len(chosen), cut.length), "int32")
        for start in range(0, len(chosen), ROWS):
            rows = chosen[start : start + ROWS]
            arrays[label][start : start + len(rows)] = array[rows]
    numbers = store.array(f"{split}/index", chosen.shape, "int64")
    numbers[:] = chosen
    targets = {each: arrays[f"{split}/targets/{each}"] for each in found}
    return Split({name: arrays[f"{split}/inputs/{name}"]}, targets, None, numbers)


def _series_splits(prepared: Prepared, series: Series, names: Sequence[str], store: Store) -> dict[str, Split]:
    """The windows of these splits, over arrays of the rows that any split's windows cover."""
    origins = prepared.splits
    begin = min(int(index[0]) for index in origins.values()) - series.before
    rows = np.arange(begin, max(int(index[-1]) for index in origins.values()) + series.ahead)
    inputs, targets = (
        {
            name: series_array(feature, prepared.raw.arrays, rows, store, f"series/{part}/{name}")
            for name, feature in features.items()
        }
        for part, features in (("inputs", prepared.inputs), ("targets", prepared.targets))
    )
    splits = {}
    for name in names:
        index = store.array(f"{name}/index", origins[name].shape, "int64")
        index[:] = origins[name]
        weights = _weights(prepared, name, index, store)
        splits[name] = window_split(
            series, index, begin, inputs, targets, prepared.shared, list(prepared.signature.targets), weights
        )
    return splits


def _transformed(feature: FittedPipeline, prepared: Prepared, index: Array, store: Store, label: str) -> Array:
    array = store.array(label, (len(index), *feature.shape), feature.dtype)
    for start, rows in chunks(feature.plan, index):
        array[start : start + len(rows)] = feature.apply(gather(feature.plan, prepared.raw.arrays, rows))
    return array


def _weights(prepared: Prepared, split: str, index: Array, store: Store) -> Array | None:
    if prepared.weights is None:
        return None
    weights = prepared.raw.arrays[prepared.weights][index]
    column = prepared.raw.description.columns[prepared.weights]
    if column.kind != "numbers" or column.shape != () or not np.all(np.isfinite(weights) & (weights >= 0)):
        raise DataError(f"the column of sample weights {prepared.weights!r} must hold numbers of at least 0")
    array = store.array(f"{split}/weights", index.shape, "float32")
    array[:] = weights
    return array


def _kept(prepared: Prepared, key: str) -> cache.Entry:
    """Builds the data set within the cache; raises OSError where that can't be written."""
    writer = cache.Writer("prepared", key)
    try:
        dataset = _built(prepared, writer, None)
        return writer.commit(
            {
                "signature": signature_to_json(dataset.signature),
                "splits": list(dataset.splits),
                "shared": dict(prepared.shared),
                "series": None if prepared.series is None else asdict(prepared.series),
                "fingerprint": dataset.fingerprint,
                "fitted": fitted_to_json(dataset.fitted),
                "variant": dataset.variant,
                "notes": list(dataset.notes),
            }
        )
    finally:
        writer.discard()


def _restored(entry: cache.Entry, only: Sequence[str] | None) -> Dataset:
    content, arrays = entry.content, entry.arrays
    signature = signature_from_json(content["signature"])
    names = [split for split in content["splits"] if only is None or split in only]
    splits = {} if content["series"] is None else _restored_series(entry, signature, names)
    for split in names if content["series"] is None else ():
        inputs = {name: arrays[f"{split}/inputs/{name}"] for name in signature.inputs}
        shared = content["shared"]
        targets = {
            name: inputs[shared[name]] if name in shared else arrays[f"{split}/targets/{name}"]
            for name in signature.targets
        }
        splits[split] = Split(inputs, targets, arrays.get(f"{split}/weights"), arrays[f"{split}/index"])
    return Dataset(
        signature,
        splits,
        content["fingerprint"],
        fitted_from_json(content["fitted"]),
        content["variant"],
        tuple(content["notes"]),
    )


def _restored_series(entry: cache.Entry, signature: Signature, names: Sequence[str]) -> dict[str, Split]:
    """The windows of a series in the cache: views of its memory-mapped arrays."""
    content, arrays = entry.content, entry.arrays
    series, shared = Series(**content["series"]), content["shared"]
    begin = min(int(arrays[f"{split}/index"][0]) for split in content["splits"]) - series.before
    inputs = {name: arrays[f"series/inputs/{name}"] for name in signature.inputs}
    targets = {name: arrays[f"series/targets/{name}"] for name in signature.targets if name not in shared}
    return {
        split: window_split(
            series, arrays[f"{split}/index"], begin, inputs, targets, shared, list(signature.targets),
            arrays.get(f"{split}/weights"),
        )
        for split in names
    }  # fmt: skip
