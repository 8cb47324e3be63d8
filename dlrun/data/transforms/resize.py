"""resize: images of another size."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from dlrun.data.dataset import Array
from dlrun.data.images import pillow
from dlrun.data.layout import Layout
from dlrun.data.transforms.base import Fitted, Transform, only_images


class Resize(Transform):
    """Scales images to `height` x `width`, with Pillow, which also smooths when it makes them smaller."""

    type: Literal["resize"] = "resize"
    height: int = Field(gt=0)
    """Rows of pixels."""
    width: int = Field(gt=0)
    """Columns of pixels."""
    method: Literal["nearest", "bilinear", "bicubic", "lanczos", "box"] = "bilinear"
    """How pixels between pixels are worked out."""

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """The new height and width, the same channels."""
        _, _, channels = only_images(self, layout)
        return replace(layout, shape=(self.height, self.width, channels))

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """(rows, h, w, c) → (rows, height, width, c) of the same dtype.

        Channel by channel: then one to any number of channels work, and weights that sum to 1 leave a pending
        affine map where it is.
        """
        image = pillow("the transform 'resize'")
        method = image.Resampling[self.method.upper()]
        dtype = np.dtype(np.uint8 if layout.stored else np.float32)
        result = np.empty((len(array), self.height, self.width, layout.shape[2]), dtype)
        for row, pixels in enumerate(array):
            for channel in range(layout.shape[2]):
                plane = image.fromarray(np.ascontiguousarray(pixels[:, :, channel], dtype))
                result[row, :, :, channel] = np.asarray(plane.resize((self.width, self.height), method))
        return result if layout.stored else result.astype(np.float64)
