"""The Kullback-Leibler divergence of the softmax from given shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.losses.base import Loss, check_shares
from dlrun.losses.shares import softmax_cross_entropy_of_shares

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


class KLDivergence(Loss):
    """The Kullback-Leibler divergence: the sum over classes of t log(t / p), with t the target's shares.

    The network's output is taken as logits; a trailing softmax is fused.
    """

    type: Literal["kl_divergence"] = "kl_divergence"

    link: ClassVar[Literal["softmax", "sigmoid"] | None] = "softmax"

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError unless the target holds a share for each output."""
        if target.kind == "labels":
            raise ShapeError(
                f"kl_divergence needs a share for each class, the target {target.name!r} holds classes",
                help="use loss: cross_entropy",
            )
        check_shares(self, shape, target)

    def lower(self, emit: LossEmitter) -> None:
        """Emit one call."""
        emit.call(
            softmax_cross_entropy_of_shares, z=emit.output, t=emit.target, weights=emit.weights,
            class_weights=emit.constant("class_weights", (1.0,) * emit.size), losses=emit.losses, p=emit.predictions,
            dz=emit.gradient_out, smoothing=0.0, relative=1, rows=emit.rows, classes=emit.size,
        )  # fmt: skip
