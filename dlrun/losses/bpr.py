"""Bayesian personalised ranking: what was chosen shall come before what wasn't."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.kernels.lang import In, Live, Out, Size, Thread, Threads, first_of, kernel, last_of, real, select
from dlrun.kernels.math import log1p
from dlrun.losses.base import Loss, way_to
from dlrun.losses.link import decay_of, sigmoid_of

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


class BPR(Loss):
    """Bayesian personalised ranking: log(1 + exp(-(chosen - other))), the mean over the items drawn beside a choice.

    For `data.negatives`, whose rows follow each other in groups; the network gives each row one score. Predictions are
    the scores' sigmoids, which say who comes before whom and are no probabilities; a trailing sigmoid is fused.
    S. Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback" (UAI 2009).
    """

    type: Literal["bpr"] = "bpr"

    link: ClassVar[Literal["softmax", "sigmoid"] | None] = "sigmoid"
    compares_rows: ClassVar[bool] = True

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError unless the network gives one number and the rows come in groups."""
        if target.group == 1:
            message = f"bpr compares what users chose with what they didn't, which {target.name!r} doesn't say"
            raise ShapeError(message, help="data.negatives draws items beside those that were chosen")
        if prod(shape) != 1:
            message = f"bpr takes one score a row, the network's output has shape {shape}"
            raise ShapeError(message, help=way_to(shape, (1,)))

    def lower(self, emit: LossEmitter) -> None:
        """Emit one call."""
        emit.call(
            bpr_loss, partition="split", z=emit.output, weights=emit.weights, losses=emit.losses, p=emit.predictions,
            dz=emit.gradient_out, group=emit.feature.group, rows=emit.rows,
        )  # fmt: skip


@kernel
def bpr_loss(
    z: In, weights: In, losses: Out, p: Out, dz: Out, group: Size, rows: Live, thread: Thread, threads: Threads
) -> None:
    """losses[r] = weights[r] * mean_i log(1 + exp(z[i] - z[0])), for i = 1 .. group - 1 of r's group.

    Every row of a group has the same loss and weight, so the mean over rows is that over groups. p is the
    sigmoid of z. From e = exp(-|x|) alone, x = z[0] - z[i]: the term is max(-x, 0) + log1p(e), which never overflows.
    Shapes: z, p, dz, weights, losses (rows). Partition: split, by groups.
    """
    zero, others = real(0), real(group - 1)
    for g in range(first_of(rows // group, thread, threads), last_of(rows // group, thread, threads)):
        first = g * group
        chosen, total, slope = z[first], zero, zero
        scale = weights[first] * real(group) / (others * real(rows))
        for r in range(first + 1, first + group):
            x = chosen - z[r]
            decay = decay_of(x)
            total += select(x < zero, -x, zero) + log1p(decay)
            miss = scale * sigmoid_of(-x, decay)
            slope -= miss
            dz[r] = miss
        dz[first] = slope
        for r in range(first, first + group):
            losses[r] = weights[first] * total / others
            p[r] = sigmoid_of(z[r], decay_of(z[r]))
