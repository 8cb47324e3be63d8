"""Cross-entropy between class labels and softmax, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.kernels.lang import In, InInt, Live, Number, Out, Size, Thread, Threads, first_of, kernel, last_of, real, shift
from dlrun.kernels.math import exp, log
from dlrun.losses.base import Loss

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


class CrossEntropy(Loss):
    """Cross-entropy of exclusive classes. The network's output is taken as logits; a trailing softmax is fused."""

    type: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """The share of the target spread evenly over all classes (Szegedy et al. 2016)."""

    link: ClassVar[Literal["softmax", "sigmoid"] | None] = "softmax"

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError unless there is an output for each class."""
        if target.kind != "labels":
            raise ShapeError(f"cross_entropy needs class labels, the target {target.name!r} holds {target.kind}")
        classes = len(target.classes or ())
        if len(shape) != 1 or shape[0] != classes:
            raise ShapeError(f"the target has {classes} classes, the network's output has shape {shape}")

    def lower(self, emit: LossEmitter) -> None:
        """Emit one call."""
        emit.call(
            softmax_cross_entropy, z=emit.output, labels=emit.target, weights=emit.weights, losses=emit.losses,
            p=emit.predictions, dz=emit.gradient_out, smoothing=self.label_smoothing, rows=emit.rows, classes=emit.size,
        )  # fmt: skip


@kernel
def softmax_cross_entropy(z: In, labels: InInt, weights: In, losses: Out, p: Out, dz: Out, smoothing: Number, rows: Live, classes: Size, thread: Thread, threads: Threads):  # fmt: skip
    """losses[r] = weights[r] * (log sum_j exp z[r, j] - sum_j t[r, j] z[r, j]), p = softmax z, dz = weights (p - t) / rows.

    t is 1 - smoothing at the label, plus smoothing / classes everywhere.
    Shapes: z, p, dz (rows, classes), labels, weights, losses (rows). Partition: samples.
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
        label, weight = labels[r], weights[r]
        of_label = (real(1) - smoothing) * logits[label] + even * sum_of_logits
        losses[r] = weight * (log(total) + top - of_label)
        for j in range(classes):
            probability[j] = probability[j] / total
            gradient[j] = (probability[j] - even) * (weight * scale)
        gradient[label] -= (real(1) - smoothing) * (weight * scale)
