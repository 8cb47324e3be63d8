"""The metrics, one file each, and their registry."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from dlrun.errors import UsageError
from dlrun.metrics.base import Direction, Metric, Tracker, scalars
from dlrun.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric",
    {
        "accuracy": "accuracy:Accuracy",
        "auc": "auc:AUC",
        "average_precision": "average_precision:AveragePrecision",
        "balanced_accuracy": "balanced_accuracy:BalancedAccuracy",
        "bits_per_token": "bits_per_token:BitsPerToken",
        "confusion_matrix": "confusion_matrix:ConfusionMatrix",
        "f1": "f1:F1",
        "mae": "mae:MAE",
        "mse": "mse:MSE",
        "ndcg_at_k": "ndcg_at_k:NdcgAtK",
        "perplexity": "perplexity:Perplexity",
        "precision": "precision:Precision",
        "r2": "r2:R2",
        "recall": "recall:Recall",
        "recall_at_k": "recall_at_k:RecallAtK",
        "rmse": "rmse:RMSE",
        "top_k_accuracy": "top_k_accuracy:TopKAccuracy",
    },
    synonyms={
        "bits_per_character": "bits_per_token",
        "categorical_accuracy": "accuracy",
        "sparse_categorical_accuracy": "accuracy",
        "top_k_categorical_accuracy": "top_k_accuracy",
        "sparse_top_k_categorical_accuracy": "top_k_accuracy",
        "f1_score": "f1",
        "roc_auc": "auc",
        "mean_squared_error": "mse",
        "mean_absolute_error": "mae",
        "root_mean_squared_error": "rmse",
        "r2_score": "r2",
    },
    package=__name__,
)

_SPLITS = ("train/", "validation/", "test/")
WITHOUT_NUMBER = "confusion_matrix"
LOSS_TERMS = ("kl",)
"""Terms that layers add to the loss, which are reported beside it."""


def direction_of(monitor: str, metrics: Sequence[Metric] = ()) -> Direction:
    """Whether larger or smaller values of a monitored column, such as validation/f1/cat, are better.

    Of several targets the target's name may come before the metric's: validation/digit/accuracy. `metrics` are the
    run's own, which may have names of their own; without them the types' names are known.

    Raises: UsageError when it is the name of no loss and no metric that has a number.
    """
    name = next((monitor[len(split) :] for split in _SPLITS if monitor.startswith(split)), monitor)
    own = {metric.label(): metric.direction for metric in metrics if metric.type != WITHOUT_NUMBER}
    for place in [0, *(slash.end() for slash in re.finditer("/", name))]:
        direction = _direction(name[place:], own)
        if direction is not None:
            return direction
    known = dict.fromkeys(["loss", *own, *(each for each in METRICS.names if each != WITHOUT_NUMBER)])
    near = difflib.get_close_matches(name, list(known), n=1)
    raise UsageError(
        f"can't monitor {monitor!r}: no loss or metric has that name",
        f"did you mean {monitor[: len(monitor) - len(name)] + near[0]!r}?" if near else ", ".join(known),
    )


def _direction(name: str, own: Mapping[str, Direction]) -> Direction | None:
    head = re.sub(r"^top_\d+_accuracy$", "top_k_accuracy", METRICS.synonyms.get(name, name))
    head = re.sub(r"^(recall|ndcg)_at_\d+$", r"\1_at_k", head)
    for label, direction in own.items():
        if head == label or head.startswith(f"{label}/"):
            return direction
    of, _, _ = head.partition("/")
    if of in METRICS and of != WITHOUT_NUMBER:
        return METRICS[of].direction
    return "min" if head in ("loss", *LOSS_TERMS) or head.endswith("_loss") else None


__all__ = ["METRICS", "Direction", "Metric", "Tracker", "direction_of", "scalars"]


def __getattr__(name: str) -> type[Metric]:
    return METRICS.attribute(name)
