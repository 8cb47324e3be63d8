"""What kernels are compiled for: the real type and the host's vectors."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache

from dlrun.kernels.lang import Precision


@dataclass(frozen=True)
class Target:
    """A real type and a vector width in bytes (32 on AVX2, 64 on AVX-512, 16 on NEON and elsewhere)."""

    precision: Precision
    vector_bytes: int
    x86: bool

    @property
    def lanes(self) -> int:
        """How many reals a vector register holds."""
        return self.vector_bytes // (4 if self.precision == "float32" else 8)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def host_cpu() -> tuple[str, str]:
    """Return LLVM's name of the host CPU and its features."""
    from llvmlite import binding

    return binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()


@cache
def host_target(precision: Precision) -> Target:
    """Return the target for this machine."""
    _, features = host_cpu()
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    wide = "+avx2" in features or "+avx512f" in features
    return Target(precision, 32 if wide else 16, x86)
