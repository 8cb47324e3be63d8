"""Memory that is in place before the first step.

The system hands out a page when it is first written to, which takes longer than to fill it: with a large batch, the
first step would take half as long again. Huge pages are NumPy's own doing, from 4 MB on where the system allows them;
they make that first touch cheaper, but none of the steps that were measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
PAGE = 4096


def page_zeros(size: int) -> Array:
    """Return so many zeroed bytes, from the start of a page on."""
    raw = np.zeros(size + PAGE, np.uint8)
    start = -raw.ctypes.data % PAGE
    memory: Array = raw[start : start + size]
    memory[::PAGE] = 0
    return memory


def zeros(shape: int | tuple[int, ...], dtype: str) -> Array:
    """Return zeros as NumPy's, which are given no memory until they are written to."""
    return np.full(shape, 0, dtype)
