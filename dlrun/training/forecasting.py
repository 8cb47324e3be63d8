"""Forecasts from the end of a series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlrun.data.dataset import Split
from dlrun.data.forecast import Ending, column_names
from dlrun.errors import UsageError
from dlrun.executor.executor import Array
from dlrun.runs.directory import RunDirectory
from dlrun.training.checkpointing import open_checkpoint
from dlrun.training.session import Session


def forecast_rows(
    run: RunDirectory, which: str | None, horizon: int, files: Sequence[Path] = ()
) -> list[dict[str, Any]]:
    """Return a row for each step after the end of the run's own data, or of a file: its date, if any, and the forecast.

    Numbers are in the units of the data. A horizon beyond the network's own is forecast from its forecasts, which takes
    that every column it sees is among them (the date goes on by itself).
    Raises: CheckpointError, DataError, UsageError.
    """
    if len(files) > 1:
        raise UsageError("a forecast starts from the end of one file")
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise UsageError(f"there is no file {', '.join(missing)}")
    restored = open_checkpoint(run, which)
    config, signature = restored.config.config, restored.signature
    ending = Ending(config.data, restored.fitted, signature, files)
    if horizon > ending.series.horizon:
        ending.check_goes_on()
    split = ending.window()
    session = restored.predictor(split)
    rows: list[dict[str, Any]] = []
    while len(rows) < horizon:
        forecast = _forecast(session, split)
        rows += _rows(ending, forecast, len(rows))
        if len(rows) < horizon:
            ending.append(forecast)
            for name, array in ending.window().inputs.items():
                split.inputs[name][:] = array
    return rows[:horizon]


def _forecast(session: Session, split: Split) -> dict[str, Array]:
    """What follows the one window of a split, by column in the data's units, each (horizon,)."""
    forecast: dict[str, Array] = {}
    for name, found in session.predict_all(split).items():
        target = session.dataset.signature.targets[name]
        values = target.to_units(found.reshape(target.shape)).reshape(target.shape[0], -1)
        forecast |= zip(column_names(target), values.T, strict=True)
    return forecast


def _rows(ending: Ending, forecast: dict[str, Array], before: int) -> list[dict[str, Any]]:
    """The forecast's rows, numbered from `before` + 1 on."""
    count = len(next(iter(forecast.values())))
    times = ending.times(count)
    rows = []
    for step in range(count):
        row: dict[str, Any] = {"step": before + step + 1}
        if times is not None and ending.time is not None:
            row[ending.time.column] = times[step]
        rows.append({**row, **{name: float(values[step]) for name, values in forecast.items()}})
    return rows
