"""Global average pooling over sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dlrun.layers.global_pool import GlobalPool1D, average_backward, average_forward

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class GlobalAveragePool1D(GlobalPool1D):
    """The mean of each channel of a sequence (steps, channels), over its real positions.

    Padding (the input's mask) is left out, as in an unpadded sequence; of nothing but padding the result is 0.
    """

    type: Literal["global_average_pool1d"] = "global_average_pool1d"

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        average_forward(emit)

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        average_backward(emit)
