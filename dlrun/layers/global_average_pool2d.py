"""Global average pooling over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dlrun.layers.global_pool import GlobalPool2D, average_backward, average_forward

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class GlobalAveragePool2D(GlobalPool2D):
    """The mean of each channel of an image (height, width, channels)."""

    type: Literal["global_average_pool2d"] = "global_average_pool2d"

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        average_forward(emit)

    def backward(self, emit: Emitter) -> None:
        """Emit one call, if the gradient is wanted."""
        average_backward(emit)
