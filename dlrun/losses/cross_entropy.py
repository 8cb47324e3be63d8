"""Cross-entropy between classes and softmax, in one pass."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from dlrun.data.signature import Feature
from dlrun.kernels.chunks import clear
from dlrun.kernels.entries import get, put
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
from dlrun.kernels.statistics import row_max, row_sum
from dlrun.losses.base import Loss, check_labels, check_shares
from dlrun.losses.class_weights import ClassWeights, resolve
from dlrun.losses.shares import softmax_cross_entropy_of_shares

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


class CrossEntropy(Loss):
    """Cross-entropy of exclusive classes. The network's output is taken as logits; a trailing softmax is fused.

    The target is a class, or (one-hot or soft) a share for each class. It may be a class for each position of a
    sequence, where the network gives (time, classes): a sample's loss is then the mean over its positions, without
    those that are padding by the output's mask, or whose label is -1.
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
            check_labels(self, shape, target, sequences=True)
        else:
            check_shares(self, shape, target)
        resolve(self.class_weights, shape[-1], target)

    def lower(self, emit: LossEmitter) -> None:
        """Emit one call."""
        classes = emit.shape[-1]
        weights = resolve(self.class_weights, classes, emit.feature)
        common: dict[str, Any] = {
            "z": emit.output, "weights": emit.weights, "class_weights": emit.constant("class_weights", weights),
            "losses": emit.losses, "p": emit.predictions, "dz": emit.gradient_out, "smoothing": self.label_smoothing,
            "rows": emit.rows, "classes": classes,
        }  # fmt: skip
        if emit.feature.kind == "labels":
            emit.call(
                softmax_cross_entropy, labels=emit.target, mask=emit.mask or emit.weights,
                masked=int(emit.mask is not None), positions=emit.size // classes, **common,
            )  # fmt: skip
        else:
            emit.call(softmax_cross_entropy_of_shares, t=emit.target, relative=0, **common)


@kernel
def softmax_cross_entropy(
    z: In, labels: InInt, mask: In, weights: In, class_weights: In, losses: Out, p: Out, dz: Out, smoothing: Number,
    masked: Size, rows: Live, positions: Size, classes: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = mean over positions q of a (log sum_j exp z[r, q, j] - sum_j t[r, q, j] z[r, q, j]), p = softmax z.

    a = weights[r] * class_weights[label]; t is 1 - smoothing at the label, plus smoothing / classes everywhere.
    dz = a (p - t) / (count rows), where `count` positions count: those that the mask has as real and whose label isn't
    negative. At others p and dz are 0; without any, the loss is. A label beyond the classes makes the loss NaN.
    Shapes: z, p, dz (rows, positions, classes), labels, mask (rows, positions), weights, losses (rows),
    class_weights (classes). Partition: samples.
    """
    even, zero = smoothing / real(classes), real(0)
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        count = 0
        for q in range(r * positions, (r + 1) * positions):
            if labels[q] >= 0 and (masked == 0 or mask[q] != zero):
                count += 1
        share = weights[r] / real(max(count, 1))
        loss = zero
        for q in range(r * positions, (r + 1) * positions):
            logits, probability, gradient = shift(z, q * classes), shift(p, q * classes), shift(dz, q * classes)
            label = labels[q]
            if label < 0 or (masked != 0 and mask[q] == zero):
                clear(probability, classes)
                clear(gradient, classes)
            elif label >= classes:
                loss += real(nan)
            else:
                top = row_max(logits, classes)
                for j in range(classes):
                    put(probability, j, exp(get(logits, j) - top))
                total = row_sum(probability, classes)
                weight = class_weights[label]
                of_label = (real(1) - smoothing) * logits[label]
                if even > zero:
                    of_label += even * row_sum(logits, classes)
                loss += weight * (log(total) + top - of_label)
                weight *= share / real(rows)
                for j in range(classes):
                    probability[j] = probability[j] / total
                    gradient[j] = (probability[j] - even) * weight
                gradient[label] -= (real(1) - smoothing) * weight
        losses[r] = share * loss
