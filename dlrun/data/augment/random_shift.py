"""Random shifts."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlrun.data.augment.base import Augmentation
from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.kernels.entries import copy_entries
from dlrun.kernels.images import fill_pixels
from dlrun.kernels.lang import In, InOut, Live, Scratch, Size, Thread, Threads, first_of, kernel, last_of, shift
from dlrun.kernels.philox import UNIFORMS, uniform_block, whole
from dlrun.plan import ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.augment_calls import AugmentEmitter


class RandomShift(Augmentation):
    """Shifts images up or down and left or right by whole pixels; black moves in."""

    type: Literal["random_shift"] = "random_shift"
    pixels: int = Field(gt=0)
    """The farthest shift: each axis moves by -pixels .. pixels, all equally likely."""

    def check(self, feature: Feature) -> None:
        """Raise ShapeError unless something is left of the image."""
        super().check(feature)
        if self.pixels >= min(feature.shape[:2]):
            height, width = feature.shape[:2]
            raise ShapeError(
                f"pixels must be less than the images' extents {height} x {width}, got {self.pixels}", "pixels"
            )

    def lower(self, emit: AugmentEmitter) -> None:
        """Emit one call."""
        emit.call(
            shift_images, key=emit.key, pixels=self.pixels, scratch=ScratchSize(max(UNIFORMS, prod(emit.shape))),
            **emit.image,
        )  # fmt: skip


@kernel
def shift_images(
    x: InOut, fill: In, key: Size, pixels: Size, scratch: Scratch, step: Live, rows: Live, height: Size, width: Size,
    channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """x[r, c] = x[r - down, c - right], or `fill` where that lies outside.

    Shapes: x (rows, height, width, channels), fill (channels), scratch (an image). Partition: samples.
    """
    size = height * width * channels
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        uniform_block(scratch, key, step, n, 0)
        down, right = whole(scratch[0], 2 * pixels + 1) - pixels, whole(scratch[1], 2 * pixels + 1) - pixels
        image = shift(x, n * size)
        copy_entries(image, scratch, size)
        first, last = max(right, 0), min(width + right, width)
        for r in range(height):
            out, source = shift(image, r * width * channels), r - down
            if source < 0 or source >= height:
                fill_pixels(out, fill, 0, width, channels)
            else:
                fill_pixels(out, fill, 0, first, channels)
                taken = shift(scratch, (source * width + first - right) * channels)
                copy_entries(taken, shift(out, first * channels), (last - first) * channels)
                fill_pixels(out, fill, last, width, channels)
