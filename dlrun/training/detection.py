"""Rows that don't look like those a network was trained on: scored, flagged, and compared with what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.config.anomaly_config import AnomalyConfig
from dlrun.config.load import LoadedConfig, load_text
from dlrun.data.config import DataConfig
from dlrun.data.dataset import Array, Dataset, Split
from dlrun.errors import ConfigError, UsageError
from dlrun.runs.directory import RunDirectory
from dlrun.training.anomaly_fit import check_anomaly
from dlrun.training.anomaly_labels import Known, known_rows
from dlrun.training.anomaly_scores import (
    Scores,
    choose_threshold,
    row_rates,
    row_scores,
    runs_of,
    sample_errors,
    window_rates,
)
from dlrun.training.checkpointing import Restored, open_checkpoint
from dlrun.training.run_data import file_config, file_data, own_data

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Request:
    """What is to be looked at: a split of the run's own data (None: test, or else validation rows), or a file."""

    split: str | None = None
    file: Path | None = None
    checkpoint: str | None = None
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Detection:
    """Scored rows, which of them are flagged, and what that is worth.

    `known` is of all rows of the data, of which `scores.rows` were scored. `alarms` are stretches of flagged rows,
    (first, last) places among those scored, and `windows` masks of these (rows,), with the `bounds` that were given.
    """

    data: str
    checkpoint: str
    threshold: float
    chosen: str
    scores: Scores
    flags: Array
    known: Known
    is_series: bool
    alarms: tuple[tuple[int, int], ...]
    windows: tuple[Array, ...]
    bounds: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def labels(self) -> Array | None:
        """Which of the scored rows are labelled as anomalies, (rows,) bool; None where nothing is known."""
        return None if self.known.labels is None else self.known.labels[self.scores.rows]

    def place(self, position: int) -> dict[str, Any]:
        """Which row a position among those scored is: its number from 0, and when it was."""
        row = int(self.scores.rows[position])
        return {"row": row} | ({} if self.known.written is None else {"time": self.known.written[row]})

    def rows(self) -> list[dict[str, Any]]:
        """A row of scores.csv for each scored row."""
        labels = self.labels
        return [
            {
                **self.place(i),
                "score": float(self.scores.values[i]),
                "flagged": int(self.flags[i]),
                **({} if labels is None else {"anomaly": int(labels[i])}),
            }
            for i in range(len(self.flags))
        ]

    def alarm_rows(self) -> list[dict[str, Any]]:
        """Each alarm: where it starts and ends, its highest score, and whether it is in a labelled window."""
        labels = self.labels
        found = []
        for first, last in self.alarms:
            part = slice(first, last + 1)
            start, end = self.place(first), self.place(last)
            alarm = {"start": start.get("time", start["row"]), "end": end.get("time", end["row"])}
            alarm |= {"rows": int(self.flags[part].sum()), "score": float(self.scores.values[part].max())}
            if labels is not None:
                alarm["false"] = not bool((labels & self.flags)[part].any())
            found.append(alarm)
        return found

    def window_rows(self) -> list[dict[str, Any]]:
        """Each labelled window with scored rows: whether it was found, and how high its scores are."""
        rows = []
        for (start, end), window in zip(self.bounds, self.windows, strict=True):
            hits = np.flatnonzero(window & self.flags)
            first = self.place(int(hits[0])) if len(hits) else {}
            row = {"start": start, "end": end, "found": bool(len(hits)), "flagged": len(hits)}
            rows.append(
                {**row, "first": first.get("time", first.get("row")), "score": float(self.scores.values[window].max())}
            )
        return rows

    def report(self) -> dict[str, Any]:
        """What report.json holds."""
        result: dict[str, Any] = {
            "data": self.data, "checkpoint": self.checkpoint, "threshold": self.threshold, "threshold_is": self.chosen,
            "rows": len(self.flags), "flagged": int(self.flags.sum()),
        }  # fmt: skip
        labels = self.labels
        if self.is_series:
            result["alarms"] = self.alarm_rows()
        if labels is not None:
            result["per_row"] = row_rates(self.flags, labels)
        if self.is_series and labels is not None:
            result["per_window"] = window_rates(self.alarms, self.flags, self.windows)
            result["windows"] = self.window_rows()
        return {**result, "notes": list(self.notes)}


def detect(run: RunDirectory, request: Request) -> Detection:
    """Score rows by how far a run's network is off, and flag those beyond the threshold.

    Raises: CheckpointError, DataError, UsageError; LocatedConfigError for an override that is wrong.
    """
    restored = open_checkpoint(run, request.checkpoint)
    loaded = _overridden(restored, request.overrides)
    config = loaded.config.anomaly or AnomalyConfig()
    data = loaded.config.data
    dataset = own_data(restored)
    _check(loaded, config, dataset, run)

    def scored(dataset: Dataset, split: Split) -> Scores:
        predictions = restored.predictor(split, dataset).predict(split)
        errors = sample_errors(config, split, predictions, dataset.signature.target, data.window is not None)
        return row_scores(config, errors, split.index)

    name = request.split or ("test" if "test" in dataset.splits else "validation")
    own = _known(config, data, loaded)
    threshold, chosen = 0.0, ""
    if config.threshold.type == "fixed":
        threshold, chosen = choose_threshold(config.threshold, np.zeros(0), None)
    else:
        validation = scored(dataset, _split(dataset, "validation"))
        labels = None if own.labels is None else own.labels[validation.rows]
        threshold, chosen = choose_threshold(config.threshold, validation.values, labels)
    if request.file is None:
        what, known = f"the {name} split", own
        scores = scored(dataset, _split(dataset, name))
    else:
        what = str(request.file)
        dataset = file_data(restored, request.file)
        known = _known(config, file_config(restored, request.file), loaded)
        scores = scored(dataset, next(iter(dataset.splits.values())))
    return _detection(config, data, what, restored.path.stem, (threshold, chosen), scores, known, dataset.notes)


def _detection(
    config: AnomalyConfig, data: DataConfig, what: str, checkpoint: str, threshold: tuple[float, str], scores: Scores,
    known: Known, notes: tuple[str, ...],
) -> Detection:  # fmt: skip
    flags = scores.values > threshold[0]
    is_series = data.window is not None
    alarms = tuple(runs_of(flags, scores.rows, config.gap)) if is_series else ()
    windows = [(bounds, mask[scores.rows]) for bounds, mask in zip(known.bounds, known.windows, strict=True)]
    if is_series and known.labels is not None and not known.bounds:  # a column: each stretch of anomalies is a window
        labels = known.labels[scores.rows]
        for first, last in runs_of(labels, scores.rows):
            mask = np.zeros(len(labels), bool)
            mask[first : last + 1] = True
            rows = [scores.rows[place] for place in (first, last)]
            bounds = [str(row) if known.written is None else known.written[row] for row in rows]
            windows.append(((bounds[0], bounds[1]), mask))
    inside = [(bounds, mask) for bounds, mask in windows if mask.any()]
    if len(inside) < len(windows):
        notes = (*notes, f"{len(windows) - len(inside)} labelled windows have no row here and don't count")
    return Detection(
        what, checkpoint, *threshold, scores, flags, known, is_series, alarms,
        tuple(mask for _, mask in inside), tuple(bounds for bounds, _ in inside), notes,
    )  # fmt: skip


def _overridden(restored: Restored, overrides: Sequence[str]) -> LoadedConfig:
    """Return the run's config with overrides of its section `anomaly`. Raises UsageError, LocatedConfigError."""
    for override in overrides:
        if not override.startswith(("anomaly=", "anomaly.")):
            raise UsageError(f"{override!r} would change the trained network", "only anomaly.… can be set here")
    if not overrides:
        return restored.config
    return load_text(restored.config.text.decode(), "config.resolved.yaml", overrides)


def _check(loaded: LoadedConfig, config: AnomalyConfig, dataset: Dataset, run: RunDirectory) -> None:
    try:
        check_anomaly(config, loaded.config.data, dataset.signature, "validation" in dataset.splits)
    except ConfigError as error:
        if loaded.config.anomaly is not None:
            raise loaded.error(error.problems) from None
        first = error.problems[0]
        raise UsageError(f"{run.path} finds no anomalies: {first.message}", first.help) from None


def _known(config: AnomalyConfig, data: DataConfig, loaded: LoadedConfig) -> Known:
    try:
        return known_rows(config.labels, data)
    except ConfigError as error:
        raise loaded.error(error.problems) from None


def _split(dataset: Dataset, name: str) -> Split:
    if name not in SPLITS:
        raise UsageError(f"there is no split {name!r}", ", ".join(SPLITS))
    if name not in dataset.splits:
        raise UsageError(f"the data have no {name} split", f"splits: {', '.join(dataset.splits)}")
    return dataset.splits[name]
