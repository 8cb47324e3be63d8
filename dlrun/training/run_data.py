"""The rows that a trained network is looked at with: its own data again, or another file's rows."""

from __future__ import annotations

from pathlib import Path

from dlrun.data.config import DataConfig, InputConfig, SplitConfig
from dlrun.data.dataset import Dataset
from dlrun.data.load import load
from dlrun.errors import CheckpointError, ConfigError, UsageError
from dlrun.training.checkpointing import Restored


def own_data(restored: Restored) -> Dataset:
    """Return the data a run was trained on. Raises: CheckpointError where they are others by now."""
    config = restored.config.config
    dataset = load(config.data, config.seed, restored.fitted)
    if dataset.fingerprint != restored.fingerprint:
        raise CheckpointError(
            "the data are not those this run was trained on: "
            f"fingerprint {dataset.fingerprint[:12]}, the checkpoint has {restored.fingerprint[:12]}",
            "give the file to evaluate on, if another one is meant: dlrun evaluate RUN FILE",
        )
    return dataset


def held_out(dataset: Dataset) -> str:
    """Return the split that a network is shown on unless another is named: test, or validation, or else train."""
    return next((name for name in ("test", "validation") if name in dataset.splits), "train")


def file_config(restored: Restored, file: Path) -> DataConfig:
    """Return the config of another file's rows: all in one split, in order, with the columns of the run's inputs.

    Raises: UsageError where the file isn't there, or the run's source reads none.
    """
    data = restored.config.config.data
    if "path" not in type(data.source).model_fields:
        raise UsageError(f"the source {data.source.type} of this run reads no file that another could replace")
    if not file.exists():
        raise UsageError(f"there is no file {file}")
    inputs = {name: _of_the_same_columns(restored, name) for name in restored.signature.inputs}
    in_order = SplitConfig(type="chronological", sort_by=data.split.sort_by) if data.window else SplitConfig()
    source = data.source.model_copy(update={"path": str(file)})
    changes = {"source": source, "split": in_order, "limit": None, "inputs": inputs, "augment": (), "resample": None}
    return data.model_copy(update=changes)


def file_data(restored: Restored, file: Path) -> Dataset:
    """Return another file's rows, transformed as the run's training rows were, in the dataset's only split.

    Raises: UsageError where the file has other columns; DataError.
    """
    try:
        dataset = load(file_config(restored, file), restored.config.config.seed, restored.fitted)
    except ConfigError as error:
        raise UsageError(f"{file} doesn't have what this run's config asks for: {error}") from error
    shapes = {name: feature.shape for name, feature in dataset.signature.inputs.items()}
    if shapes != {name: feature.shape for name, feature in restored.signature.inputs.items()}:
        raise UsageError(f"{file} gives other inputs than the run's data")
    return dataset


def _of_the_same_columns(restored: Restored, name: str) -> InputConfig:
    """Return an input with its columns named: a column that only divided the rows is none of an input's here either."""
    given = (restored.config.config.data.inputs or {}).get(name, InputConfig())
    columns = tuple(str(column["name"]) for column in restored.fitted[f"inputs/{name}/columns"])
    return given.model_copy(update={"columns": columns})
