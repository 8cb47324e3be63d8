"""The hinge loss of exclusive classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dlrun.data.signature import Feature
from dlrun.kernels.lang import In, InInt, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, shift
from dlrun.losses.base import Loss, check_labels

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


class CategoricalHinge(Loss):
    """The hinge loss of exclusive classes, as Keras has it: max(1 + max(0, top) - label's output, 0).

    top is the largest output of another class. The largest output predicts.
    """

    type: Literal["categorical_hinge"] = "categorical_hinge"

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError unless there is an output for each class."""
        check_labels(self, shape, target)

    def lower(self, emit: LossEmitter) -> None:
        """Emit one call."""
        emit.call(
            categorical_hinge_loss, y=emit.output, labels=emit.target, weights=emit.weights, losses=emit.losses,
            p=emit.predictions, dy=emit.gradient_out, rows=emit.rows, classes=emit.size,
        )  # fmt: skip


@kernel
def categorical_hinge_loss(
    y: In, labels: InInt, weights: In, losses: Out, p: Out, dy: Out, rows: Live, classes: Size, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = weights[r] max(1 + max(0, max_{j ≠ label} y[r, j]) - y[r, label], 0), p = y.

    dy is -1 at the label and 1 at the largest other output, if that is positive, where the loss isn't 0.
    Shapes: y, p, dy (rows, classes), labels, weights, losses (rows). Partition: samples.
    """
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        output, prediction, gradient = shift(y, r * classes), shift(p, r * classes), shift(dy, r * classes)
        label, rival, top = labels[r], classes, real(0)
        for j in range(classes):
            prediction[j] = output[j]
            gradient[j] = real(0)
            if j != label and (output[j] > top or output[j] != output[j]):
                rival, top = j, output[j]
        gap = real(1) + top - output[label]
        scale = weights[r] / real(rows)
        losses[r] = weights[r] * gap
        if gap < real(0):
            losses[r] = real(0)
        elif gap > real(0):
            gradient[label] = -scale
            if rival < classes:
                gradient[rival] = scale
