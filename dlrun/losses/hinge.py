"""The hinge loss of yes-or-no outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dlrun.data.signature import Feature
from dlrun.kernels.lang import In, Live, Number, Out, Scratch, Size, Thread, Threads, helper, kernel, real, select
from dlrun.losses.base import ElementwiseLoss
from dlrun.losses.terms import elementwise_loss, same
from dlrun.losses.two_classes import check_two_classes, targets_as_reals
from dlrun.plan import Buffer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


@helper
def hinge(y, t, parameter):  # type: ignore[no-untyped-def]
    """Return max(1 - s y, 0) with s = 1 where t > 0, else -1."""
    gap = real(1) - select(t > real(0), y, -y)
    return select(gap < real(0), real(0), gap)


@helper
def hinge_slope(y, t, parameter):  # type: ignore[no-untyped-def]
    """Return -s where s y < 1, else 0."""
    side = select(t > real(0), real(1), real(-1))
    return select(side * y < real(1), -side, real(0))


@kernel
def hinge_loss(
    y: In, t: In, weights: In, losses: Out, p: Out, dy: Out, terms: Scratch, parameter: Number, rows: Live, size: Size,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """losses[r] = weights[r] * mean_i max(1 - s y[r, i], 0), with s = ±1. Shapes and partition: elementwise_loss."""
    elementwise_loss(
        hinge, hinge_slope, same, parameter, y, t, weights, losses, p, dy, terms, rows, size, thread, threads,
    )  # fmt: skip


class Hinge(ElementwiseLoss):
    """The hinge loss of support vector machines: max(1 - s y, 0) with s = 1 for yes and -1 for no.

    One output for two classes (the second is yes), or a yes or no for each output: targets above 0 are yes, so both
    0 and 1 and -1 and 1 will do. An output above 0 predicts yes.
    """

    type: Literal["hinge"] = "hinge"
    kernel = hinge_loss

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError unless there is one output for two classes, or an output for each number of the target."""
        check_two_classes(self, shape, target)

    def targets(self, emit: LossEmitter) -> Buffer:
        """Return the buffer of real targets, made of labels where the target holds labels."""
        return targets_as_reals(emit)
