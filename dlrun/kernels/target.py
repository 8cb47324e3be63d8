"""What kernels are compiled for: the real type and the host's vectors."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache

from dlrun.errors import UsageError
from dlrun.kernels.lang import Precision

VARIABLE = "DLRUN_LANES"
"""The environment variable that forces a number of float32 lanes, whatever the host has."""
LANES = 1, 4, 8, 16
CORES = "DLRUN_CORES"
"""The environment variable that limits the cores which a process uses: those of a sweep share the machine."""
MOST_COLUMNS = 32
"""The most columns of a tile, on any machine: two vectors of AVX-512. Scratch and panels are sized for it, so that
plans are the same everywhere."""


def whole_panels(columns: int) -> int:
    """Return how many columns the panels have that hold so many, on any machine."""
    return -(-columns // MOST_COLUMNS) * MOST_COLUMNS


@dataclass(frozen=True)
class Target:
    """A real type and a vector width in bytes (64 on AVX-512, 32 on AVX2, 16 on NEON and elsewhere)."""

    precision: Precision
    vector_bytes: int
    x86: bool

    @property
    def lanes(self) -> int:
        """How many reals a vector register holds."""
        return max(1, self.vector_bytes // (4 if self.precision == "float32" else 8))

    @property
    def of_any_width(self) -> Target:
        """The target as primitives see it that don't depend on vectors: their kernels are the same for all widths."""
        return Target(self.precision, 0, self.x86)


def available_cores() -> int:
    """Return the number of cores that this process may use. Raises UsageError where the limit is no number."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get(CORES)
    if limit is None:
        return cores
    if not limit.isdecimal() or int(limit) < 1:
        raise UsageError(f"{CORES} is {limit!r}, which is no number of cores", "set it to 1 or more, or unset it")
    return min(cores, int(limit))


@cache
def host_cpu() -> tuple[str, str]:
    """Return LLVM's name of the host CPU and its features."""
    from llvmlite import binding

    return binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()


def host_has(feature: str) -> bool:
    """Return whether the host CPU has a feature, by LLVM's name of it."""
    return f"+{feature}" in host_cpu()[1].split(",")


@cache
def host_target(precision: Precision) -> Target:
    """Return the target for this machine, or the one that DLRUN_LANES asks for. Raises UsageError if it's no number.

    LLVM makes two registers of a vector that is too wide for the machine, so that each width runs everywhere.
    """
    return Target(precision, _vector_bytes(), platform.machine().lower() in ("x86_64", "amd64"))


def _vector_bytes() -> int:
    forced = os.environ.get(VARIABLE)
    if forced is None:
        return 64 if host_has("avx512f") else 32 if host_has("avx2") else 16
    if forced not in map(str, LANES):
        allowed = ", ".join(map(str, LANES))
        raise UsageError(
            f"{VARIABLE} is {forced!r}, which is no number of lanes", f"set it to one of {allowed}, or unset it"
        )
    return 4 * int(forced)
