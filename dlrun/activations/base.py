"""What every activation has in a config, and the two kernels it brings."""

from __future__ import annotations

from typing import ClassVar

from dlrun.kernels.lang import Kernel
from dlrun.registry import Component


class Activation(Component):
    """An elementwise function (or softmax) with its derivative.

    The kernels take `x: In, y: Out` and `saved: In, dy: In, dx: Out` with `rows: Live, size: Size`, and `size` counts
    the entries of a sample, `width` those of its last axis, for those that take it. y may be x, and dx may be dy.
    `parameters` name the fields that both kernels take as Numbers. Fields are described by `Field(description=...)`,
    which the layer that is made of the activation (dlrun.layers.activation) takes over.
    """

    forward: ClassVar[Kernel]
    backward: ClassVar[Kernel]
    saves: ClassVar[str] = "output"
    """What the backward kernel reads: "output", so that it may overwrite its input, or "input"."""
    parameters: ClassVar[tuple[str, ...]] = ()
    along_last_axis: ClassVar[bool] = False
    """Whether it works along the last axis rather than entry by entry."""
