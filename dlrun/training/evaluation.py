"""A trained run, read back from its checkpoint and measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.data.dataset import Dataset, Split
from dlrun.data.signature import Feature
from dlrun.errors import MissingExtra, UsageError
from dlrun.executor.executor import Array
from dlrun.metrics.confusion_matrix import ConfusionMatrix
from dlrun.runs.directory import RunDirectory
from dlrun.runs.files import write_text
from dlrun.training.beam import Search
from dlrun.training.checkpointing import Restored, open_checkpoint, put_weights
from dlrun.training.heads import only
from dlrun.training.reports import Report, make_reporters
from dlrun.training.run_data import file_data, own_data
from dlrun.training.session import Session
from dlrun.training.translation import Translator, translated_input

MISTAKES = 36
"""How many of the most confident mistakes are drawn."""


@dataclass(frozen=True)
class Evaluation:
    """What a network's predictions for the rows of a split are worth."""

    metrics: Mapping[str, Any]
    all_predictions: Mapping[str, Array]
    split: Split
    targets: Mapping[str, Feature]
    data: str
    checkpoint: str
    notes: tuple[str, ...]
    reports: tuple[Report, ...]
    """What is told besides, target by target."""
    baseline: Mapping[str, float] = field(default_factory=dict)
    """What the same rankings are worth where everybody gets the most popular items."""

    @property
    def predictions(self) -> Array:
        """Those of the only target. Raises UsageError where there are several."""
        return only(self.all_predictions)

    @property
    def target(self) -> Feature:
        """The only target. Raises UsageError where there are several."""
        return only(self.targets)

    def to_json(self) -> dict[str, Any]:
        """Return what evaluation.json holds."""
        return {
            "data": self.data, "rows": self.split.rows, "checkpoint": self.checkpoint, "metrics": dict(self.metrics),
            "notes": list(self.notes), "report": {report.target: report.to_json() for report in self.reports},
            **({"popularity": dict(self.baseline)} if self.baseline else {}),
        }  # fmt: skip


def evaluate_run(
    run: RunDirectory, split: str, which: str | None, file: Path | None = None, search: Search | None = None
) -> Evaluation:
    """Measure a run's network on a split of its own data, or on all rows of another file.

    Where items are ranked for users, the most popular items' rankings are measured beside the network's.
    A network that translates is measured by the BLEU of its translations too, which `search` looks for.
    Raises: CheckpointError, DataError; CheckpointError too when the data aren't those the run was made with.
    """
    restored = open_checkpoint(run, which)
    if split not in ("train", "validation", "test"):
        raise UsageError(f"there is no split {split!r}", "train, validation or test")
    session = restored.session(own_data(restored) if file is None else _other_data(restored, file))
    rows = session.split(split) if file is None else next(iter(session.dataset.splits.values()))
    metrics, predictions, reports = measure(session, restored, split, rows)
    notes = session.dataset.notes
    if translated_input(restored) is not None:
        more, note = _translations(run, restored, rows, file, which, search or Search())
        metrics, notes = {**metrics, **more}, (*notes, note)
    data = str(file) if file is not None else f"the {split} split"
    baseline = session.ranker.measure(rows, popular=True) if session.ranker and split != "train" else {}
    targets, checkpoint = session.dataset.signature.targets, restored.path.stem
    return Evaluation(metrics, predictions, rows, targets, data, checkpoint, notes, reports, baseline)


def measure(
    session: Session, restored: Restored, split: str, rows: Split
) -> tuple[dict[str, Any], dict[str, Array], tuple[Report, ...]]:
    """Give a session the checkpoint's weights, and return metrics, predictions and reports for the rows of a split.

    Raises: CheckpointError when the weights don't fit.
    """
    session.evaluator(split, rows)
    put_weights(session, restored)
    reporters = make_reporters(session)
    metrics, predictions = session.evaluate_all(split, rows, reporters.update)
    return metrics, predictions, reporters.results()


def _other_data(restored: Restored, file: Path) -> Dataset:
    if restored.config.config.data.negatives is not None:
        way_out = "dlrun evaluate RUN --split validation, or dlrun predict RUN FILE for pairs of users and items"
        raise UsageError("users' items are ranked on the run's own splits, which say what users have already", way_out)
    return file_data(restored, file)


def _translations(
    run: RunDirectory, restored: Restored, rows: Split, file: Path | None, which: str | None, search: Search
) -> tuple[dict[str, float], str]:
    """Return the BLEU of the translations of some rows, and how it was measured, or why it wasn't."""
    data = restored.config.config.data
    if file is not None:
        data = data.model_copy(update={"source": data.source.model_copy(update={"path": str(file)})})
    try:
        bleu = Translator(run, which).bleu_of(rows, data, search)
    except (MissingExtra, UsageError) as error:
        return {}, f"no BLEU: {error.message}; {error.help}"
    return {"bleu": bleu.score}, f"BLEU {bleu.score:.2f} of beam {search.beam}: {bleu.signature}"


def write_evaluation(run: RunDirectory, evaluation: Evaluation) -> None:
    """Write evaluation.json. Raises: RunError."""
    write_text(run.evaluation, json.dumps(_finite(evaluation.to_json()), indent=2) + "\n")


def draw_evaluation(run: RunDirectory, evaluation: Evaluation) -> list[str]:
    """Draw the plots, which takes longer than the evaluation; return notes on what couldn't be. Raises: RunError."""
    try:
        for name, target in evaluation.targets.items():
            if target.kind == "labels" and not target.shape:
                _draw(run, evaluation, target, f"_{name}" if len(evaluation.targets) > 1 else "")
    except MissingExtra as missing:
        return [f"no plots: {missing.message}; {missing.help} installs it"]
    return []


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and value - value != 0 else value


def _draw(run: RunDirectory, evaluation: Evaluation, target: Feature, ending: str) -> None:
    from dlrun.runs.plots import draw_confusion_matrix, draw_mistakes, most_confident_mistakes

    truth, predictions = evaluation.split.targets[target.name], evaluation.all_predictions[target.name]
    tracker = ConfusionMatrix().start(target, predictions.shape[-1])
    tracker.update(truth, predictions)
    classes = target.classes or ()
    run.plots.mkdir(exist_ok=True)
    matrix = np.asarray(next(iter(tracker.result().values())), np.float64).tolist()
    draw_confusion_matrix(run.plots / f"confusion_matrix{ending}.png", matrix, classes)
    images = next(iter(evaluation.split.inputs.values()))
    if images.ndim == 4 and predictions.shape[-1] == len(classes):
        rows = most_confident_mistakes(truth, predictions, MISTAKES)
        path = run.plots / f"mistakes{ending}.png"
        draw_mistakes(path, images[rows], truth[rows], predictions[rows], classes)
