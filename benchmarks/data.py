"""The rows that every contender takes: the config's own, or random ones of their shape where they are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dlrun.config.run_config import RunConfig
from dlrun.data.dataset import Dataset, Split
from dlrun.data.load import load, probe
from dlrun.errors import DlrunError


def write_rows(config: RunConfig, rows: int, path: Path) -> str:
    """Write `rows` training rows, images as bytes or ids, and their labels to an npz file; return what they are."""
    signature = probe(config.data, config.seed)
    feature, classes = next(iter(signature.inputs.values())), len(signature.target.classes or ())
    try:
        split = load(config.data, config.seed).splits["train"]
        # Some sets are sorted by class: the first rows would hold few of them.
        chosen = np.sort(np.random.default_rng(0).permutation(split.rows)[:rows])
        inputs, labels = split.inputs[feature.name][chosen], split.targets["target"][chosen]
        what = "made-up rows" if config.data.source.type == "synthetic" else "the config's own data"
    except DlrunError as error:
        generator = np.random.default_rng(0)
        inputs = generator.integers(0, 256, (rows, *feature.shape), dtype=np.uint8)
        labels = generator.integers(0, classes, rows)
        what = f"random images ({error.message})"
    if len(feature.shape) == 3 and inputs.dtype != np.uint8:
        raise ValueError(f"the benchmark's images are bytes, those of {config.name} are {inputs.dtype}")
    inputs = inputs if inputs.dtype == np.uint8 else inputs.astype(np.int32)
    np.savez(path, inputs=inputs, label=np.asarray(labels, np.int64))
    return f"{len(inputs):,} rows of {what}"


def read_dataset(config: RunConfig, path: Path | str) -> Dataset:
    """Return the same rows as dlrun's data set: described as the config's own, images as bytes, ids as they are."""
    signature = probe(config.data, config.seed)
    feature, target = next(iter(signature.inputs.values())), signature.target
    with np.load(path) as arrays:
        inputs = np.ascontiguousarray(arrays["inputs"], np.dtype(feature.stored_dtype))
        labels = np.ascontiguousarray(arrays["label"], np.dtype(target.stored_dtype))
    split = Split({feature.name: inputs}, {target.name: labels}, None, np.arange(len(inputs)))
    return Dataset(signature, {"train": split}, "benchmark")


def overrides(batch: int, threads: int) -> Sequence[str]:
    """Return the overrides with which a config is trained."""
    return (f"training.batch_size={batch}", f"training.threads={threads}")
