"""Cross-entropy between yes-or-no targets and the sigmoid, in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
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
from dlrun.losses.base import LossOverOutputs
from dlrun.losses.class_weights import ClassWeights, check_names, resolve
from dlrun.losses.link import decay_of, sigmoid_of
from dlrun.losses.terms import sum_of
from dlrun.losses.two_classes import check_two_classes, targets_as_reals
from dlrun.plan import ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class BinaryCrossEntropy(LossOverOutputs):
    """Cross-entropy of yes-or-no outputs: one output for two classes, or an independent yes or no for each output.

    The network's output is taken as logits; a trailing sigmoid is fused. Targets may be anything between 0 and 1.
    """

    type: Literal["binary_cross_entropy"] = "binary_cross_entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """How far targets are moved towards 1/2: t becomes t * (1 - label_smoothing) + label_smoothing / 2."""
    positive_weight: Positive | Literal["balanced"] | tuple[Positive, ...] | dict[str, Positive] = 1.0
    """How much more a target of 1 counts than a target of 0: one number, or where there are several labels a row one
    for each, as a list or by the label's name (those left out count 1). "balanced" is the number of training rows with
    a 0 by that with a 1, for each label."""
    class_weights: ClassWeights | None = None
    """How much samples of each of two classes count: by class name (those left out count 1), as a list in the order of
    the classes, or "balanced": rows / (2 * rows of the class). Evaluation counts them so too."""

    link: ClassVar[Literal["softmax", "sigmoid"] | None] = "sigmoid"

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError unless there is one output for two classes, or an output for each number of the target."""
        check_two_classes(self, shape, target)
        self._positive_weights(prod(shape), target)
        self._class_weights(target)

    def lower(self, emit: LossEmitter) -> None:
        """Emit one call, after one that turns labels into numbers where the target holds labels."""
        zero, one = self._class_weights(emit.feature)
        positive = emit.constant("positive_weights", self._positive_weights(emit.size, emit.feature))
        emit.call(
            sigmoid_cross_entropy, z=emit.output, t=targets_as_reals(emit), weights=emit.weights, positive=positive,
            losses=emit.losses, p=emit.predictions, dz=emit.gradient_out, terms=ScratchSize(emit.size),
            smoothing=self.label_smoothing, of_zero=zero, of_one=one, rows=emit.rows, size=emit.size,
        )  # fmt: skip

    def _positive_weights(self, outputs: int, target: Feature) -> tuple[float, ...]:
        """A weight for each output. Raises ShapeError for weights that don't fit the target's labels."""
        weights = self.positive_weight
        if isinstance(weights, Mapping):
            names = target.columns if target.kind != "labels" and target.columns else (target.name,)
            check_names("positive_weight", "label", weights, names)
            return tuple(float(weights.get(name, 1.0)) for name in names)
        if weights == "balanced":
            return _balanced(outputs, target)
        if not isinstance(weights, tuple):
            return (float(weights),) * outputs
        if len(weights) != outputs:
            message = f"positive_weight has {len(weights)} entries, the network has {outputs} outputs"
            raise ShapeError(message, "positive_weight")
        return tuple(float(weight) for weight in weights if not isinstance(weight, str))

    def _class_weights(self, target: Feature) -> tuple[float, ...]:
        """The weights of both classes. Raises ShapeError where there are no classes, or others."""
        if self.class_weights is not None and target.kind != "labels":
            message = f"class_weights needs a target of two classes, {target.name!r} holds {target.kind}"
            raise ShapeError(message, "class_weights", "use positive_weight, a number for each label")
        return resolve(self.class_weights, 2, target)


def _balanced(outputs: int, target: Feature) -> tuple[float, ...]:
    """Zeros / ones of the training rows, for each output. Raises ShapeError where they aren't known."""
    counts = target.label_counts if target.class_counts is None else (target.class_counts,)
    if counts is None or len(counts) != outputs:
        message = f"positive_weight: balanced needs a target of nothing but 0 and 1, {target.name!r} holds others"
        raise ShapeError(message, "positive_weight", "give a number, or one for each label")
    return tuple(max(zeros, 1) / max(ones, 1) for zeros, ones in counts)


@kernel
def sigmoid_cross_entropy(
    z: In, t: In, weights: In, positive: In, losses: Out, p: Out, dz: Out, terms: Scratch, smoothing: Number,
    of_zero: Number, of_one: Number, rows: Live, size: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = weights[r] * mean_i c (a s log(1 + exp(-z)) + (1 - s) log(1 + exp(z))), where s is t smoothed.

    a = positive[i], c = of_zero + t (of_one - of_zero) weighs the target's class. p = 1 / (1 + exp(-z)),
    dz = weights c ((1 - s) p - a s (1 - p)) / (size rows). From e = exp(-|z|) alone: log(1 + e^±z) is
    max(±z, 0) + log1p(e), so nothing overflows and neither p nor 1 - p loses digits.
    Shapes: z, t, p, dz (rows, size), weights, losses (rows), positive, terms (size). Partition: samples.
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
            of_class = of_zero + targets[i] * (of_one - of_zero)
            yes, no = of_class * positive[i] * target, of_class * (one - target)
            decay = decay_of(x)
            rest = log1p(decay)
            terms[i] = yes * (select(x < zero, -x, zero) + rest) + no * (select(x < zero, zero, x) + rest)
            sigmoid = sigmoid_of(x, decay)
            probability[i] = sigmoid
            gradient[i] = scale * (no * sigmoid - yes * sigmoid_of(-x, decay))
        losses[r] = weight * sum_of(terms, size)
