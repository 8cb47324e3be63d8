"""Random cut-outs, scaled up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dlrun.data.augment.base import Augmentation
from dlrun.kernels.images import pad_image, padded_size, resample
from dlrun.kernels.lang import (
    In,
    InOut,
    Live,
    Number,
    Scratch,
    Size,
    Thread,
    Threads,
    first_of,
    kernel,
    last_of,
    real,
    shift,
)
from dlrun.kernels.philox import uniform_block
from dlrun.plan import ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.augment_calls import AugmentEmitter


class RandomCrop(Augmentation):
    """Cuts a part out of images and scales it to their size: C. Szegedy et al. (2015), with the proportions kept."""

    type: Literal["random_crop"] = "random_crop"
    minimum: float = Field(default=0.8, gt=0, lt=1)
    """The least share of the image's height and width that is kept; shares are uniform from there to 1."""

    def lower(self, emit: AugmentEmitter) -> None:
        """Emit one call."""
        emit.call(
            crop_images, key=emit.key, minimum=self.minimum, scratch=ScratchSize(padded_size(emit.shape)), **emit.image
        )


@kernel
def crop_images(
    x: InOut, fill: In, key: Size, minimum: Number, scratch: Scratch, step: Live, rows: Live, height: Size,
    width: Size, channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """Scale up a window of each image, of a share of its extents that is uniform in minimum .. 1, placed uniformly.

    Shapes: x (rows, height, width, channels), fill (channels), scratch (a padded image). Partition: samples.
    """
    size, one, half = height * width * channels, real(1), real(0.5)
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        uniform_block(scratch, key, step, n, 0)
        share = one - scratch[0] * (one - minimum)
        top, left = scratch[1] * (one - share) * real(height), scratch[2] * (one - share) * real(width)
        image, zero = shift(x, n * size), real(0)
        pad_image(image, scratch, fill, height, width, channels)
        resample(
            scratch, image, height, width, channels, top + half * share - half, share, zero,
            left + half * share - half, zero, share, zero, real(height - 1), zero, real(width - 1),
        )  # fmt: skip
