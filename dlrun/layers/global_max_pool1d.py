"""Global maximum pooling over sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dlrun.layers.global_pool import GlobalPool1D, max_backward, max_forward

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class GlobalMaxPool1D(GlobalPool1D):
    """The largest entry of each channel of a sequence (steps, channels), over its real positions.

    Padding (the input's mask) is left out, as in an unpadded sequence; of nothing but padding the result is 0.
    """

    type: Literal["global_max_pool1d"] = "global_max_pool1d"

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        max_forward(emit)

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        max_backward(emit)
