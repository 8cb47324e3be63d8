"""Random rotations."""

from __future__ import annotations

from math import pi
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
    helper,
    kernel,
    last_of,
    real,
    shift,
)
from dlrun.kernels.philox import uniform_block
from dlrun.plan import ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.augment_calls import AugmentEmitter


class RandomRotation(Augmentation):
    """Rotates images about their centre, with bilinear interpolation; black moves in at the corners."""

    type: Literal["random_rotation"] = "random_rotation"
    degrees: float = Field(gt=0, le=180)
    """The greatest angle: angles are uniform in -degrees .. degrees."""

    def lower(self, emit: AugmentEmitter) -> None:
        """Emit one call."""
        emit.call(
            rotate_images, key=emit.key, greatest=self.degrees * pi / 180, scratch=ScratchSize(padded_size(emit.shape)),
            **emit.image,
        )  # fmt: skip


@helper
def sine_and_cosine(angle):  # type: ignore[no-untyped-def]
    """Return both for |angle| <= pi, to 1e-7: Taylor's series at a quarter of the angle, doubled twice."""
    a = angle * real(0.25)
    z = a * a
    s = a * (real(1) - z / real(6) * (real(1) - z / real(20) * (real(1) - z / real(42) * (real(1) - z / real(72)))))
    c = real(1) - z / real(2) * (
        real(1) - z / real(12) * (real(1) - z / real(30) * (real(1) - z / real(56) * (real(1) - z / real(90))))
    )
    s, c = real(2) * s * c, real(1) - real(2) * s * s
    return real(2) * s * c, real(1) - real(2) * s * s


@kernel
def rotate_images(
    x: InOut, fill: In, key: Size, greatest: Number, scratch: Scratch, step: Live, rows: Live, height: Size,
    width: Size, channels: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """Rotate each image by an angle (radians) that is uniform in -greatest .. greatest.

    Shapes: x (rows, height, width, channels), fill (channels), scratch (a padded image). Partition: samples.
    """
    size = height * width * channels
    middle_y, middle_x = real(height - 1) * real(0.5), real(width - 1) * real(0.5)
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        uniform_block(scratch, key, step, n, 0)
        s, c = sine_and_cosine((real(2) * scratch[0] - real(1)) * greatest)
        image = shift(x, n * size)
        pad_image(image, scratch, fill, height, width, channels)
        resample(
            scratch, image, height, width, channels, middle_y - c * middle_y + s * middle_x, c, -s,
            middle_x - s * middle_y - c * middle_x, s, c, real(-1), real(height), real(-1), real(width),
        )  # fmt: skip
