"""Maximum pooling over sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.layers.pool import Pool1D, max_backward, max_forward

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class MaxPool1D(Pool1D):
    """The largest entry of each window of sequences (steps, channels), channel by channel."""

    type: Literal["max_pool1d"] = "max_pool1d"

    takes_largest: ClassVar[bool] = True

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        max_forward(emit, self.geometry(emit.input_shapes[0]))

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        max_backward(emit, self.geometry(emit.input_shapes[0]))
