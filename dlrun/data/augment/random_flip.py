"""Random mirror images."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal

from dlrun.data.augment.base import Augmentation
from dlrun.kernels.entries import copy_entries
from dlrun.kernels.lang import InOut, Live, Scratch, Size, Thread, Threads, first_of, kernel, last_of, real, shift
from dlrun.kernels.philox import UNIFORMS, uniform_block
from dlrun.plan import ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.augment_calls import AugmentEmitter


class RandomFlip(Augmentation):
    """Mirrors half of the images."""

    type: Literal["random_flip"] = "random_flip"
    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = "horizontal"
    """Whether left and right are swapped, up and down, or each of the two for a half of its own."""

    def lower(self, emit: AugmentEmitter) -> None:
        """Emit one call."""
        arguments = emit.image
        del arguments["fill"]
        emit.call(
            flip_images, key=emit.key,
            flips_columns=int(self.mode != "vertical"), flips_rows=int(self.mode != "horizontal"),
            scratch=ScratchSize(max(UNIFORMS, prod(emit.shape))), **arguments,
        )  # fmt: skip


@kernel
def flip_images(
    x: InOut, key: Size, flips_columns: Size, flips_rows: Size, scratch: Scratch, step: Live, rows: Live, height: Size,
    width: Size, channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """x[r, c] = x[r, width - 1 - c] for half of the samples, or (height - 1 - r), or each for a half of its own.

    Shapes: x (rows, height, width, channels), scratch (an image). Partition: samples.
    """
    size = height * width * channels
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        uniform_block(scratch, key, step, n, 0)
        mirrors = flips_columns != 0 and scratch[0] < real(0.5)
        turns = flips_rows != 0 and scratch[1] < real(0.5)
        if not (mirrors or turns):
            continue
        image = shift(x, n * size)
        copy_entries(image, scratch, size)
        for r in range(height):
            out = shift(image, r * width * channels)
            taken = shift(scratch, (height - 1 - r if turns else r) * width * channels)
            if mirrors:
                for c in range(width):
                    copy_entries(shift(taken, (width - 1 - c) * channels), shift(out, c * channels), channels)
            else:
                copy_entries(taken, out, width * channels)
