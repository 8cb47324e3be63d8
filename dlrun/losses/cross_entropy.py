"""Cross-entropy between classes and softmax, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from dlrun.data.signature import Feature
from dlrun.kernels.lang import (
    In,
    InInt,
    Live,
    Number,
    Out,
    Size,
    Thread,
    Threads,
    first_of,
    kernel,
    last_of,
    real,
    shift,
)
from dlrun.kernels.math import exp, log
from dlrun.losses.base import Loss, check_labels, check_shares
from dlrun.losses.class_weights import ClassWeights, resolve
from dlrun.losses.shares import softmax_cross_entropy_of_shares

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


class CrossEntropy(Loss):
    """Cross-entropy of exclusive classes. The network's output is taken as logits; a trailing softmax is fused.

    The target is a class, or (one-hot or soft) a share for each class.
    """

    type: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """The share of the target spread evenly over all classes (Szegedy et al. 2016)."""
    class_weights: ClassWeights | None = None
    """How much samples of each class count: by class name (those left out count 1), as a list in the order of the
    classes, or "balanced": rows / (classes * rows of the class). Evaluation counts them so too."""

    link: ClassVar[Literal["softmax", "sigmoid"] | None] = "softmax"

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError unless there is an output for each class."""
        if target.kind == "labels":
            check_labels(self, shape, target)
        else:
            check_shares(self, shape, target)
        resolve(self.class_weights, shape[0], target)

    def lower(self, emit: LossEmitter) -> None:
        """Emit one call."""
        weights = resolve(self.class_weights, emit.size, emit.feature)
        common: dict[str, Any] = {
            "z": emit.output, "weights": emit.weights, "class_weights": emit.constant("class_weights", weights),
            "losses": emit.losses, "p": emit.predictions, "dz": emit.gradient_out, "smoothing": self.label_smoothing,
            "rows": emit.rows, "classes": emit.size,
        }  # fmt: skip
        if emit.feature.kind == "labels":
            emit.call(softmax_cross_entropy, labels=emit.target, **common)
        else:
            emit.call(softmax_cross_entropy_of_shares, t=emit.target, relative=0, **common)


@kernel
def softmax_cross_entropy(
    z: In, labels: InInt, weights: In, class_weights: In, losses: Out, p: Out, dz: Out, smoothing: Number, rows: Live,
    classes: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = a (log sum_j exp z[r, j] - sum_j t[r, j] z[r, j]), p = softmax z, dz = a (p - t) / rows.

    a = weights[r] * class_weights[label]; t is 1 - smoothing at the label, plus smoothing / classes everywhere.
    Shapes: z, p, dz (rows, classes), labels, weights, losses (rows), class_weights (classes). Partition: samples.
    """
    even, scale = smoothing / real(classes), real(1) / real(rows)
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        logits, probability, gradient = shift(z, r * classes), shift(p, r * classes), shift(dz, r * classes)
        top, sum_of_logits = logits[0], real(0)
        for j in range(classes):
            top = max(top, logits[j])
            sum_of_logits += logits[j]
        for j in range(classes):
            probability[j] = exp(logits[j] - top)
        total = real(0)
        for j in range(classes):
            total += probability[j]
        label = labels[r]
        weight = weights[r] * class_weights[label]
        of_label = (real(1) - smoothing) * logits[label] + even * sum_of_logits
        losses[r] = weight * (log(total) + top - of_label)
        for j in range(classes):
            probability[j] = probability[j] / total
            gradient[j] = (probability[j] - even) * (weight * scale)
        gradient[label] -= (real(1) - smoothing) * (weight * scale)
