"""Which value decides what is best."""

from __future__ import annotations

from dlrun.config.run_config import RunConfig
from dlrun.metrics import direction_of
from dlrun.training.state import Monitor


def best_monitor(config: RunConfig) -> Monitor | None:
    """Return what decides the best checkpoint; early stopping's own where the best weights are to be restored."""
    early, best = config.training.early_stopping, config.training.checkpoints.best
    if early is not None and early.restore_best_weights:
        return _monitor(config, early.monitor, early.mode, early.min_delta)
    if best is None:
        return None
    return _monitor(config, best.monitor or default_monitor(config), best.mode)


def early_stopping_monitor(config: RunConfig) -> Monitor | None:
    """Return what early stopping watches, if there is any."""
    early = config.training.early_stopping
    return None if early is None else _monitor(config, early.monitor, early.mode, early.min_delta)


def default_monitor(config: RunConfig) -> str:
    """Return the loss of the validation rows where there are any, else of the training rows."""
    split = config.data.split
    return "validation/loss" if split.validation or split.type == "given" else "train/loss"


def _monitor(config: RunConfig, name: str, mode: str, min_delta: float = 0.0) -> Monitor:
    larger = mode == "max" if mode != "auto" else direction_of(name, config.metrics) == "max"
    return Monitor(name, larger, min_delta)
