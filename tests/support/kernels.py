"""Calls single kernels from tests, without a plan."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlrun.executor.executor import ENTRY
from dlrun.kernels.lang import Kernel, Precision
from dlrun.kernels.store import load_kernels


def call_kernel(kernel: Kernel, precision: Precision = "float32", **arguments: Any) -> None:
    """Call a kernel on one thread.

    Its arguments: arrays for pointers (and Scratch), whole numbers for Size and Live, floats for Number; for an update
    kernel also `gradient` (an array), `start` and `count`.
    """
    function = ENTRY(load_kernels([kernel], precision)[kernel])
    block = np.zeros(2 * len(arguments) + 1, np.int64)
    kept = []
    for name, kind in kernel.arguments.items():
        value, slot = arguments[name], kernel.slots[name]
        if kind.name == "Number":
            block[slot : slot + 1].view(np.float64)[0] = value
        elif kind.name == "Live":
            kept.append(np.array([value], np.int64))
            block[slot] = kept[-1].ctypes.data
        elif isinstance(value, np.ndarray):
            assert value.flags.c_contiguous
            assert value.dtype == (precision if kind.dtype == "real" else kind.dtype)
            block[slot] = value.ctypes.data
        else:
            block[slot] = np.array(value).astype(np.int64)
    implicit = (0, 1, 0)
    if "gradient" in kernel.parameters and kernel.parameters["gradient"].name == "Gradient":
        implicit = arguments["gradient"].ctypes.data, arguments["start"], arguments["count"]
    result = np.zeros(2, np.int64)
    assert function(result.ctypes.data, result.ctypes.data + 8, block.ctypes.data, *implicit) == 0
