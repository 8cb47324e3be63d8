"""add_noise: normal noise that every row keeps."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from pydantic import Field

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout, real
from dlrun.data.random import philox
from dlrun.data.transforms.base import Fitted, Transform, only_numbers


class AddNoise(Transform):
    """Adds normal noise to every number, of training, validation and test rows alike, and of new rows too.

    A row's noise is a function of `seed` and of the row's own values: it is the same in every epoch, split and run, and
    equal rows have equal noise. So what removes noise can be measured (the target is the column without it), which the
    augmentation `random_noise` and the layer `gaussian_noise`, both for training alone, don't allow.
    """

    type: Literal["add_noise"] = "add_noise"
    stddev: float = Field(gt=0, allow_inf_nan=False)
    """The noise's standard deviation, in the units of what arrives here."""
    seed: int = Field(default=0, ge=0)
    """What the noise is drawn from."""

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """The same shape."""
        only_numbers(self, layout)
        return layout.as_real().without_range()

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """The values with their noise; missing ones stay missing."""
        noisy = real(array, layout).astype(np.float64)
        for row, values in enumerate(array):
            noisy[row] += self.stddev * _normal(values, self.seed)
        return noisy


def _normal(values: Array, seed: int) -> Array:
    """Normal numbers, as many as there are values, drawn from these: float64 of their shape.

    G. E. P. Box & M. E. Muller, "A note on the generation of random normal deviates" (1958), on bits that NumPy
    guarantees.
    """
    content = hashlib.sha256(values.tobytes()).hexdigest()
    half = -(-values.size // 2)
    uniform = (philox(seed, f"add_noise/{content}").random_raw(2 * half) >> np.uint64(11)) * 2.0**-53
    radius, angle = np.sqrt(-2.0 * np.log1p(-uniform[:half])), 2.0 * np.pi * uniform[half:]
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    result: Array = normal[: values.size].reshape(values.shape)
    return result
