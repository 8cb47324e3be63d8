"""A thread's floating-point environment, kept from what steps set: they take subnormal numbers for zero."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

_LIBRARY = ctypes.CDLL("ucrtbase") if os.name == "nt" else ctypes.CDLL(None)
ROOM = 8
"""Words that hold the environment (C99's fenv_t) with every C library: 32 bytes at most."""


def apart(function: Callable[[], object]) -> Callable[[], None]:
    """Return a function that calls another and then restores the calling thread's floating-point environment."""
    place = (ctypes.c_uint64 * ROOM)()
    keep, restore = _LIBRARY.fegetenv, _LIBRARY.fesetenv

    def call() -> None:
        keep(place)
        try:
            function()
        finally:
            restore(place)

    return call
