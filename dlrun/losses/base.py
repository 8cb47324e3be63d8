"""What every loss has in a config, and what the compiler asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.data.signature import Feature
from dlrun.registry import Component

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


class Loss(Component):
    """What training minimises: the mean over a batch's samples of weight x loss."""

    link: ClassVar[Literal["softmax", "sigmoid"] | None] = None
    """The activation that the loss applies itself: a trailing layer of this name is taken out and fused."""

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError where the network's output or the target doesn't fit the loss."""

    def lower(self, emit: LossEmitter) -> None:
        """Emit the calls that compute losses, predictions and the gradient."""
        raise TypeError(f"{type(self).__name__} emits nothing")
