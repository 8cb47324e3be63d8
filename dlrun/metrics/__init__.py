"""The metrics, one file each, and their registry."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from dlrun.errors import UsageError
from dlrun.metrics.accuracy import Accuracy
from dlrun.metrics.auc import AUC
from dlrun.metrics.average_precision import AveragePrecision
from dlrun.metrics.balanced_accuracy import BalancedAccuracy
from dlrun.metrics.base import Direction, Metric, Tracker, scalars
from dlrun.metrics.bits_per_token import BitsPerToken
from dlrun.metrics.confusion_matrix import ConfusionMatrix
from dlrun.metrics.f1 import F1
from dlrun.metrics.mae import MAE
from dlrun.metrics.mse import MSE
from dlrun.metrics.ndcg_at_k import NdcgAtK
from dlrun.metrics.perplexity import Perplexity
from dlrun.metrics.precision import Precision
from dlrun.metrics.r2 import R2
from dlrun.metrics.recall import Recall
from dlrun.metrics.recall_at_k import RecallAtK
from dlrun.metrics.rmse import RMSE
from dlrun.metrics.top_k_accuracy import TopKAccuracy
from dlrun.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric",
    (
        Accuracy,
        TopKAccuracy,
        BalancedAccuracy,
        Precision,
        Recall,
        F1,
        AUC,
        AveragePrecision,
        ConfusionMatrix,
        Perplexity,
        BitsPerToken,
        RecallAtK,
        NdcgAtK,
        MSE,
        RMSE,
        MAE,
        R2,
    ),
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
)

_SPLITS = ("train/", "validation/", "test/")
LOSS_TERMS = ("kl",)
"""Terms that layers add to the loss, which are reported beside it."""


def direction_of(monitor: str, metrics: Sequence[Metric] = ()) -> Direction:
    """Whether larger or smaller values of a monitored column, such as validation/f1/cat, are better.

    Of several targets the target's name may come before the metric's: validation/digit/accuracy. `metrics` are the
    run's own, which may have names of their own; without them the types' names are known.

    Raises: UsageError when it is the name of no loss and no metric that has a number.
    """
    name = next((monitor[len(split) :] for split in _SPLITS if monitor.startswith(split)), monitor)
    known = {metric.label(): metric.direction for metric in metrics if not isinstance(metric, ConfusionMatrix)}
    known |= {each: METRICS[each].direction for each in METRICS.names if each != "confusion_matrix"}
    for place in [0, *(slash.end() for slash in re.finditer("/", name))]:
        direction = _direction(name[place:], known)
        if direction is not None:
            return direction
    near = difflib.get_close_matches(name, ["loss", *known], n=1)
    raise UsageError(
        f"can't monitor {monitor!r}: no loss or metric has that name",
        f"did you mean {monitor[: len(monitor) - len(name)] + near[0]!r}?" if near else f"loss, {', '.join(known)}",
    )


def _direction(name: str, known: Mapping[str, Direction]) -> Direction | None:
    head = re.sub(r"^top_\d+_accuracy$", "top_k_accuracy", METRICS.synonyms.get(name, name))
    head = re.sub(r"^(recall|ndcg)_at_\d+$", r"\1_at_k", head)
    for label, direction in known.items():
        if head == label or head.startswith(f"{label}/"):
            return direction
    return "min" if head in ("loss", *LOSS_TERMS) or head.endswith("_loss") else None


__all__ = ["METRICS", "Direction", "Metric", "Tracker", "direction_of", "scalars"]
