"""Which value decides what is best, and whether there is such a value."""

from __future__ import annotations

from collections.abc import Iterator

from dlrun.config.checks import OWN_SPLITS
from dlrun.config.run_config import RunConfig
from dlrun.errors import ConfigError, Path, Problem
from dlrun.metrics import direction_of
from dlrun.schedules.reduce_on_plateau import ReduceOnPlateau
from dlrun.training.state import Monitor


def best_monitor(config: RunConfig, validates: bool) -> Monitor | None:
    """Return what decides the best checkpoint; early stopping's own where the best weights are to be restored."""
    early, best = config.training.early_stopping, config.training.checkpoints.best
    if early is not None and early.restore_best_weights:
        return _monitor(config, early.monitor, early.mode, early.min_delta)
    if best is None:
        return None
    default = "validation/loss" if validates else "train/loss"
    return _monitor(config, best.monitor or default, best.mode)


def early_stopping_monitor(config: RunConfig) -> Monitor | None:
    """Return what early stopping watches, if there is any."""
    early = config.training.early_stopping
    return None if early is None else _monitor(config, early.monitor, early.mode, early.min_delta)


def _monitor(config: RunConfig, name: str, mode: str, min_delta: float = 0.0) -> Monitor:
    metrics = [metric for _, metric in config.all_metrics()]
    larger = mode == "max" if mode != "auto" else direction_of(name, metrics) == "max"
    return Monitor(name, larger, min_delta)


def expects_validation(config: RunConfig) -> bool | None:
    """Return whether there will be validation rows; None where only the data know."""
    split = config.data.split
    if split.validates:
        return True
    return None if split.type == "given" or config.data.source.type in OWN_SPLITS else False


def check_monitors(config: RunConfig, validates: bool | None) -> None:
    """Check what is monitored. `validates` says whether there are validation rows; None: nobody knows yet.

    Raises: ConfigError, with the places, when something is monitored that will never be measured.
    """
    problems = []
    for path, name in _monitored(config):
        split, _, label = name.partition("/")
        if split not in ("train", "validation") or not is_measured(config, label):
            way_out = "it can be train/loss, validation/loss, or train/ or validation/ with a metric's name"
            problems.append(Problem(path, f"nothing is measured under the name {name!r}", way_out))
        elif split == "train" and label in _ranking_labels(config):
            message = f"{name!r} is monitored, but items are ranked on validation and test rows only"
            problems.append(Problem(path, message, f"monitor 'validation/{label}'"))
        elif split == "validation" and validates is False:
            way_out = f"set data.split.validation, or monitor 'train/{label}'"
            problems.append(Problem(path, f"{name!r} is monitored, but there are no validation rows", way_out))
    if problems:
        raise ConfigError(problems)


def _monitored(config: RunConfig) -> Iterator[tuple[Path, str]]:
    training = config.training
    if isinstance(config.schedule, ReduceOnPlateau):
        yield ("schedule", "monitor"), config.schedule.monitor
    if training.early_stopping is not None:
        yield ("training", "early_stopping", "monitor"), training.early_stopping.monitor
    if training.checkpoints.best is not None and training.checkpoints.best.monitor is not None:
        yield ("training", "checkpoints", "best", "monitor"), training.checkpoints.best.monitor


def is_measured(config: RunConfig, label: str) -> bool:
    """Return whether a metric has this label, or a part of the loss; of those with a value a class, label/CLASS too."""
    labels = [f"{prefix}{metric.label()}" for prefix, metric in config.all_metrics()]
    losses = {"loss", *(layer.adds_loss for layer in config.model.layers)}
    if len(config.data.targets) > 1:
        losses |= {f"{target}/loss" for target in config.data.targets}
    return label in losses or any(label == each or label.startswith(f"{each}/") for each in labels)


def _ranking_labels(config: RunConfig) -> list[str]:
    """Return the names of metrics that look at all items' ranks."""
    return [f"{prefix}{metric.label()}" for prefix, metric in config.all_metrics() if metric.ranks]
