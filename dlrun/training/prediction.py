"""Predictions for new inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.data.predict import image_files, is_text, load_inputs, text_rows
from dlrun.data.signature import Feature
from dlrun.errors import UsageError
from dlrun.executor.executor import Array
from dlrun.runs.csv_file import write_table
from dlrun.runs.directory import RunDirectory
from dlrun.runs.files import write_text
from dlrun.training.checkpointing import open_checkpoint
from dlrun.training.heads import only

ENDINGS = (".csv", ".json")


def predict_rows(
    run: RunDirectory, which: str | None, files: Sequence[Path], texts: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return a row for each input: where it is from, and what the network says of it.

    Classes come with their probability and all classes' probabilities; numbers in the units of the data. `texts` are
    inputs for networks that take text. Of several targets each has its columns, TARGET/prediction and so on.
    Raises: CheckpointError, DataError, UsageError.
    """
    restored = open_checkpoint(run, which)
    config = restored.config.config
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise UsageError(f"there is no file {', '.join(missing)}")
    targets = restored.signature.targets
    if any(target.kind == "labels" and target.shape for target in targets.values()):
        command = "generate" if len(restored.signature.inputs) == 1 else "translate"
        raise UsageError(f"{run.path} predicts a class at each position of a sequence", f"dlrun {command} {run.path}")
    split = load_inputs(config.data, restored.fitted, restored.signature, files, texts)
    places = origins(split.index, files, split.rows)
    if texts or is_text(files[0]):
        places = [{"text": text} for text in [*text_rows(config.data, files), *texts]]
    found = restored.predictor(split).predict_all(split)
    if len(targets) == 1:
        return describe(only(found), only(targets), places)
    rows = [dict(place) for place in places]
    for name, target in targets.items():
        for row, said in zip(rows, describe(found[name], target, [{} for _ in rows]), strict=True):
            row |= {f"{name}/{key}": value for key, value in said.items()}
    return rows


def origins(index: Array, files: Sequence[Path], rows: int) -> list[dict[str, Any]]:
    """Return where each row is from: its file where every file is a row, else its number in the file."""
    pictures = (
        image_files(files)
        if all(
            file.is_dir() or file.suffix.lower() not in (".csv", ".npz", ".npy", ".parquet", ".gz", ".tsv")
            for file in files
        )
        else []
    )
    if len(pictures) == rows:
        return [{"input": str(picture)} for picture in pictures]
    return [{"row": int(i)} for i in index]


def describe(predictions: Array, target: Feature, places: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return predictions as rows of plain values."""
    if target.kind == "labels":
        return [{**place, **_classes(p, target)} for place, p in zip(places, predictions, strict=True)]
    names = target.columns or ()
    rows = []
    for place, prediction in zip(places, predictions, strict=True):
        values = target.to_units(prediction).reshape(-1)
        if len(values) == 1:
            rows.append({**place, "prediction": float(values[0])})
        elif len(names) == len(values):
            rows.append({**place, **{name: float(v) for name, v in zip(names, values, strict=True)}})
        else:
            rows.append({**place, "prediction": [float(v) for v in values]})
    return rows


def _classes(prediction: Array, target: Feature) -> dict[str, Any]:
    classes = target.classes or ()
    shares = np.asarray(prediction, np.float64).reshape(-1)
    if len(shares) == 1 and len(classes) == 2:
        shares = np.array([1 - shares[0], shares[0]])
    best = int(shares.argmax())
    probabilities = {f"probability/{name}": float(p) for name, p in zip(classes, shares, strict=True)}
    return {"prediction": classes[best], "probability": float(shares[best]), **probabilities}


def check_output(path: Path) -> None:
    """Raise UsageError unless predictions can be written to such a file."""
    if path.suffix not in ENDINGS:
        raise UsageError(f"can't write predictions as {path.name!r}", "name a .csv or .json file")


def write_predictions(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as CSV or JSON, by the file's ending. Raises: RunError when it can't be written."""
    if path.suffix == ".json":
        write_text(path, json.dumps(list(rows), indent=2, ensure_ascii=False) + "\n")
    else:
        write_table(path, rows)
