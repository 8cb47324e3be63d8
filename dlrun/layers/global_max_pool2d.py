"""Global maximum pooling over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dlrun.layers.global_pool import GlobalPool2D, max_backward, max_forward

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class GlobalMaxPool2D(GlobalPool2D):
    """The largest entry of each channel of an image (height, width, channels)."""

    type: Literal["global_max_pool2d"] = "global_max_pool2d"

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        max_forward(emit)

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        max_backward(emit)
