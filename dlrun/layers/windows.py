"""Windows that slide over an axis: their sizes in a config, how many fit, and what is padded around the axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import PositiveInt

from dlrun.errors import ShapeError

Pair = PositiveInt | tuple[PositiveInt, PositiveInt]
"""A size for both axes of an image, or (height, width)."""
Padding = Literal["valid", "same"]


def pair(value: Pair) -> tuple[int, int]:
    """Return (height, width)."""
    return (value, value) if isinstance(value, int) else value


@dataclass(frozen=True)
class Window:
    """A window of `size` entries, `dilation` apart, that moves by `stride` over an axis of `extent` entries.

    `before` zeros are put in front of the axis; `out` windows are taken. Those of the last windows that reach beyond
    the axis see zeros (a convolution) or nothing (a pool).
    """

    extent: int
    size: int
    stride: int
    dilation: int
    before: int
    out: int

    @property
    def reach(self) -> int:
        """How many entries, `before` included, the windows reach over."""
        return (self.out - 1) * self.stride + (self.size - 1) * self.dilation + 1


def window(
    extent: int,
    size: int,
    stride: int,
    padding: Padding | Literal["causal"],
    dilation: int = 1,
    field: str = "kernel_size",
) -> Window:
    """Return the windows of an axis, as Keras has them.

    "valid": only windows that lie within the axis. "same": ceil(extent / stride) windows, the zeros shared evenly,
    an odd one at the end. "causal": all zeros in front. Raises ShapeError where no window fits.
    """
    span = (size - 1) * dilation + 1
    if padding == "valid":
        if span > extent:
            raise ShapeError(
                f"a window of {span} doesn't fit into an input of {extent}",
                field,
                "make it smaller, or use padding: same",
            )
        return Window(extent, size, stride, dilation, 0, (extent - span) // stride + 1)
    out = -(-extent // stride)
    total = max((out - 1) * stride + span - extent, 0)
    return Window(extent, size, stride, dilation, span - 1 if padding == "causal" else total // 2, out)
