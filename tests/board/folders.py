"""Folders that look like runs and sweeps, without a training."""

import json
from datetime import UTC, datetime

from dlrun.runs.folds import CrossValidation, FoldResult
from dlrun.runs.metrics_csv import append_metrics
from dlrun.runs.record import RunRecord, update_record, write_record

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_run(path, values=(0.5, 0.7), config="", **record):
    """A run with a row for each value of its accuracy."""
    path.mkdir(parents=True)
    (path / "config.resolved.yaml").write_text(config or "metrics: [accuracy]\ntraining: {epochs: 4}\n")
    fields = {"status": "finished", "started": START, "ended": START, "epochs": len(values)} | record
    write_record(path / "run.json", RunRecord(name=path.name, **fields))
    for value in values:
        add_epoch(path, value)
    return path


def add_epoch(path, accuracy):
    epoch = 1 + (path / "metrics.csv").read_text().count("\n") - 1 if (path / "metrics.csv").exists() else 1
    row = {"epoch": epoch, "step": epoch, "seconds": 1.0, "validation/loss": 1 - accuracy}
    append_metrics(path / "metrics.csv", row | {"validation/accuracy": accuracy})
    update_record(path / "run.json", epochs=epoch)


def make_sweep(path, rates=(0.1, 0.01), trials=2):
    """A sweep over the learning rate, each trial a bit better than the one before."""
    path.mkdir(parents=True)
    (path / "sweep.json").write_text(json.dumps({"trials": trials, "identity": "x", "command": ["dlrun", "a.yaml"]}))
    (path / "sweep.yaml").write_text(
        "sweep: {metric: validation/accuracy, direction: auto, parameters: {optimizer.learning_rate: {type: log}}}\n"
    )
    for index, rate in enumerate(rates):
        config = f"optimizer: {{type: sgd, learning_rate: {rate}}}\ntraining: {{epochs: 4}}\n"
        make_run(path / "trials" / f"trial{index}", (0.5, 0.6 + index / 10), config)
    return path


def make_folds(path):
    """A cross-validation of two folds, one of them done."""
    path.mkdir(parents=True)
    make_run(path / "fold-1")
    result = FoldResult(1, 10, 2, 2, "checkpoints/last.safetensors", {"accuracy": 0.75})
    CrossValidation(path, "", 2, ("dlrun", "cross-validate", "configs/a.yaml"), {1: result}).write()
