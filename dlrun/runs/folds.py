"""The folder of a cross-validation: a run for each fold, and cross_validation.json with what each reached."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlrun.errors import RunError
from dlrun.runs.directory import RunDirectory
from dlrun.runs.files import write_text, writing

FILE = "cross_validation.json"
FORMAT = 1


@dataclass(frozen=True)
class FoldResult:
    """What a fold's network reached on the fold's rows. `step` tells whether it has been trained further since."""

    fold: int
    rows: int
    epochs: int
    step: int
    checkpoint: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class CrossValidation:
    """A cross-validation's folder; `config` is the resolved config of the first fold, of which the others differ in
    `data.split.fold` alone."""

    path: Path
    config: str
    folds: int
    command: tuple[str, ...] = ()
    results: Mapping[int, FoldResult] | None = None

    @classmethod
    def create(cls, name: str, config: str, folds: int, command: tuple[str, ...], runs: Path) -> CrossValidation:
        """Make `<runs>/<name>-cv-<n>/` with the next free n. Raises: RunError."""
        with writing(runs):
            runs.mkdir(parents=True, exist_ok=True)
        number = 1 + max((_number(entry.name, name) for entry in runs.iterdir()), default=0)
        while True:
            path = runs / f"{name}-cv-{number}"
            with writing(path):
                try:
                    path.mkdir()
                except FileExistsError:
                    number += 1
                    continue
            made = cls(path, config, folds, command, {})
            made.write()
            return made

    @property
    def name(self) -> str:
        """The folder's name, such as titanic-cv-1."""
        return self.path.name

    @property
    def is_done(self) -> bool:
        """Whether every fold has its result."""
        return len(self.results or {}) == self.folds

    def run_of(self, fold: int) -> RunDirectory:
        """The run of a fold, from 1; its directory may not exist yet."""
        return RunDirectory(self.path / f"fold-{fold}")

    def with_result(self, result: FoldResult) -> CrossValidation:
        """The same with a fold's result, written. Raises: RunError."""
        changed = replace(self, results={**(self.results or {}), result.fold: result})
        changed.write()
        return changed

    def write(self) -> None:
        """Replace cross_validation.json as a whole. Raises: RunError."""
        content = {
            "format": FORMAT, "name": self.name, "command": list(self.command), **self.summary(), "config": self.config,
        }  # fmt: skip
        write_text(self.path / FILE, json.dumps(_finite(content), indent=2, ensure_ascii=False) + "\n")

    def summary(self) -> dict[str, Any]:
        """The folds' results with the mean and the standard deviation of each metric, JSON-able.

        The standard deviation is that of a sample, with n - 1 below; None of a single fold.
        """
        results = [found for _, found in sorted((self.results or {}).items())]
        names = list(dict.fromkeys(name for result in results for name in result.metrics))
        values = {name: [result.metrics[name] for result in results if name in result.metrics] for name in names}
        return {
            "folds": self.folds,
            "done": len(results),
            "mean": {name: statistics.fmean(found) for name, found in values.items()},
            "standard_deviation": {
                name: statistics.stdev(found) if len(found) > 1 and all(map(math.isfinite, found)) else None
                for name, found in values.items()
            },
            "results": [{**vars(result), "metrics": dict(result.metrics)} for result in results],
        }


def read_cross_validation(path: Path) -> CrossValidation:
    """Read a cross-validation's folder. Raises: RunError when its file is missing or damaged."""
    file = path / FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        results = [_result(entry) for entry in content["results"]]
        return CrossValidation(
            path, str(content["config"]), int(content["folds"]), tuple(content["command"]),
            {result.fold: result for result in results},
        )  # fmt: skip
    except OSError as error:
        raise RunError(f"can't read {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} is damaged: {error!r}", "remove it: the folds' runs stay as they are") from error


def find_cross_validation(name: str, config: str, runs: Path) -> CrossValidation | None:
    """The newest cross-validation of this very config, or None. Raises: RunError when a file of one is damaged."""
    if not runs.is_dir():
        return None
    numbered = sorted((_number(entry, name), entry) for entry in os.listdir(runs))
    for number, entry in reversed(numbered):
        if number and (runs / entry / FILE).exists():
            found = read_cross_validation(runs / entry)
            if found.config == config:
                return found
    return None


def _result(entry: Mapping[str, Any]) -> FoldResult:
    metrics = {str(name): math.nan if value is None else float(value) for name, value in entry["metrics"].items()}
    return FoldResult(
        int(entry["fold"]), int(entry["rows"]), int(entry["epochs"]), int(entry["step"]), str(entry["checkpoint"]),
        metrics,
    )  # fmt: skip


def _number(entry: str, name: str) -> int:
    """The n of `<name>-cv-<n>`, 0 for any other entry."""
    rest = entry.removeprefix(f"{name}-cv-")
    return int(rest) if rest != entry and rest.isdecimal() else 0


def _finite(value: Any) -> Any:
    """The same JSON value with null for NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return value
