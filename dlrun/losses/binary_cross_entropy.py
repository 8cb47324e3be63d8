"""Cross-entropy between yes-or-no targets and the sigmoid, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from dlrun.data.signature import Feature
from dlrun.kernels.lang import (
    In,
    Live,
    Number,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    first_of,
    kernel,
    last_of,
    real,
    select,
    shift,
)
from dlrun.kernels.math import log1p
from dlrun.losses.base import Loss
from dlrun.losses.link import decay_of, sigmoid_of
from dlrun.losses.terms import sum_of
from dlrun.losses.two_classes import check_two_classes, targets_as_reals
from dlrun.plan import ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


class BinaryCrossEntropy(Loss):
    """Cross-entropy of yes-or-no outputs: one output for two classes, or an independent yes or no for each output.

    The network's output is taken as logits; a trailing sigmoid is fused. Targets may be anything between 0 and 1.
    """

    type: Literal["binary_cross_entropy"] = "binary_cross_entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """How far targets are moved towards 1/2: t becomes t * (1 - label_smoothing) + label_smoothing / 2."""
    positive_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How much more a target of 1 counts than a target of 0."""

    link: ClassVar[Literal["softmax", "sigmoid"] | None] = "sigmoid"

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError unless there is one output for two classes, or an output for each number of the target."""
        check_two_classes(self, shape, target)

    def lower(self, emit: LossEmitter) -> None:
        """Emit one call, after one that turns labels into numbers where the target holds labels."""
        emit.call(
            sigmoid_cross_entropy, z=emit.output, t=targets_as_reals(emit), weights=emit.weights, losses=emit.losses,
            p=emit.predictions, dz=emit.gradient_out, terms=ScratchSize(emit.size), smoothing=self.label_smoothing,
            positive=self.positive_weight, rows=emit.rows, size=emit.size,
        )  # fmt: skip


@kernel
def sigmoid_cross_entropy(
    z: In, t: In, weights: In, losses: Out, p: Out, dz: Out, terms: Scratch, smoothing: Number, positive: Number,
    rows: Live, size: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = weights[r] * mean_i (a t log(1 + exp(-z)) + (1 - t) log(1 + exp(z))), with a = positive, t smoothed.

    p = 1 / (1 + exp(-z)), dz = weights ((1 - t) p - a t (1 - p)) / (size rows). From e = exp(-|z|) alone: log(1 + e^±z)
    is max(±z, 0) + log1p(e), so nothing overflows and neither p nor 1 - p loses digits.
    Shapes: z, t, p, dz (rows, size), weights, losses (rows), terms (size). Partition: samples.
    """
    one, zero = real(1), real(0)
    kept, added = one - smoothing, smoothing * real(0.5)
    for r in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        logits, targets = shift(z, r * size), shift(t, r * size)
        probability, gradient = shift(p, r * size), shift(dz, r * size)
        weight = weights[r] / real(size)
        scale = weight / real(rows)
        for i in range(size):
            x, target = logits[i], targets[i] * kept + added
            yes, no = positive * target, one - target
            decay = decay_of(x)
            rest = log1p(decay)
            terms[i] = yes * (select(x < zero, -x, zero) + rest) + no * (select(x < zero, zero, x) + rest)
            sigmoid = sigmoid_of(x, decay)
            probability[i] = sigmoid
            gradient[i] = scale * (no * sigmoid - yes * sigmoid_of(-x, decay))
        losses[r] = weight * sum_of(terms, size)
