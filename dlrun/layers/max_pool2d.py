"""Maximum pooling over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.layers.pool import Pool2D, max_backward, max_forward

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class MaxPool2D(Pool2D):
    """The largest entry of each window of images (height, width, channels), channel by channel."""

    type: Literal["max_pool2d"] = "max_pool2d"

    takes_largest: ClassVar[bool] = True

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        max_forward(emit, self.geometry(emit.input_shapes[0]))

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        max_backward(emit, self.geometry(emit.input_shapes[0]))
