"""Average pooling over sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dlrun.layers.pool import Pool1D, average_backward, average_forward

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class AveragePool1D(Pool1D):
    """The mean of each window of sequences (steps, channels), channel by channel."""

    type: Literal["average_pool1d"] = "average_pool1d"

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        average_forward(emit, self.geometry(emit.input_shapes[0]))

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        average_backward(emit, self.geometry(emit.input_shapes[0]))
