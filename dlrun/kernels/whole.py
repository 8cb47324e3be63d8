"""Whole numbers narrower than Numba's int64, so that loops over them use as many vector lanes as reals do."""

from __future__ import annotations

from typing import Any

from numba import types

from dlrun.kernels.target import Target


def int32(target: Target) -> Any:
    """Return int32, which as a call converts to it."""
    return types.int32
