"""to_grey: colour images made grey."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout, real
from dlrun.data.transforms.base import Fitted, Transform, only_images
from dlrun.errors import ShapeError

LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R recommendation BT.601, section 2.5.1: the luminance of red, green and blue."""
FIXED_POINT = np.array([19595, 38470, 7471], np.uint32)
"""The same in 1/65536, as Pillow's mode "L" rounds it."""


class ToGrey(Transform):
    """Turns red, green and blue into one channel of luminance (ITU-R BT.601); grey images pass unchanged."""

    type: Literal["to_grey"] = "to_grey"

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """(h, w, 3) → (h, w, 1)."""
        height, width, channels = only_images(self, layout)
        if channels not in (1, 3):
            raise ShapeError(f"to_grey takes images of 3 channels (or 1), but got {channels}")
        kept = layout if channels == 1 or self._bytes_stay(layout) else layout.as_real()
        return replace(kept, shape=(height, width, 1), columns=None)

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """(rows, h, w, 3) → (rows, h, w, 1)."""
        if layout.shape[2] == 1:
            return array
        if self._bytes_stay(layout):
            grey = (array.astype(np.uint32) @ FIXED_POINT + np.uint32(0x8000)) >> np.uint32(16)
            return grey.astype(np.uint8)[..., np.newaxis]
        result: Array = (real(array, layout) @ LUMA)[..., np.newaxis]
        return result

    def _bytes_stay(self, layout: Layout) -> bool:
        # The weights sum to 1, so a map that is the same for all channels can wait until after the sum.
        return layout.stored and len(layout.scale) == 1 and len(layout.offset) == 1
