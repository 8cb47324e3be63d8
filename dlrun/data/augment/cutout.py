"""Patches that are blacked out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlrun.data.augment.base import Augmentation
from dlrun.kernels.images import fill_pixels
from dlrun.kernels.lang import In, InOut, Live, Scratch, Size, Thread, Threads, first_of, kernel, last_of, shift
from dlrun.kernels.philox import UNIFORMS, uniform, whole
from dlrun.plan import ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.augment_calls import AugmentEmitter


class Cutout(Augmentation):
    """Blacks out square patches: T. DeVries & G. W. Taylor (2017)."""

    type: Literal["cutout"] = "cutout"
    size: int = Field(gt=0)
    """The side of a patch in pixels. Its centre is any pixel, so that it may lie partly outside."""
    holes: int = Field(default=1, gt=0)
    """How many patches each image gets."""

    def lower(self, emit: AugmentEmitter) -> None:
        """Emit one call."""
        emit.call(cut_out, key=emit.key, side=self.size, holes=self.holes, scratch=ScratchSize(UNIFORMS), **emit.image)


@kernel
def cut_out(
    x: InOut, fill: In, key: Size, side: Size, holes: Size, scratch: Scratch, step: Live, rows: Live, height: Size,
    width: Size, channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """Set `holes` squares of each image to `fill`, each about a random pixel.

    Shapes: x (rows, height, width, channels), fill (channels), scratch (32). Partition: samples.
    """
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        image = shift(x, n * height * width * channels)
        for hole in range(holes):
            top = whole(uniform(scratch, key, step, n, 2 * hole), height) - side // 2
            left = whole(uniform(scratch, key, step, n, 2 * hole + 1), width) - side // 2
            for r in range(max(top, 0), min(top + side, height)):
                fill_pixels(shift(image, r * width * channels), fill, max(left, 0), min(left + side, width), channels)
