"""The machine that is measured: its name, its versions, and its own ceiling in matrix products."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from benchmarks.processes import ROOT, environment
from dlrun.runs.environment import cpu_name, git_state, versions

PRODUCT = """
import json, os, time
import numpy as np
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{threads}])
a = np.random.default_rng(0).standard_normal(({size}, {size}), dtype=np.float32)
b, c, best = a.T.copy(), np.empty_like(a), 0.0
for _ in range({repeats}):
    began = time.perf_counter()
    np.matmul(a, b, out=c)
    best = max(best, 2 * {size} ** 3 / (time.perf_counter() - began))
print(json.dumps(best))
"""


def describe() -> dict[str, Any]:
    """Return what a reader needs to judge the figures by, and what all of a sitting has in common."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": dict(versions()),
    }


def now() -> str:
    """Return the date and time."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def commit_now() -> str:
    """Return the commit that is measured, and whether files differed from it; nothing outside git."""
    state = git_state(ROOT)
    return "" if state is None else state.commit[:10] + (" with changes" if state.dirty else "")


def load_now() -> float | None:
    """Return the load average of the last minute, where the system knows it."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def product_ceiling(threads: int, size: int = 1536, repeats: int = 12) -> float:
    """Return the best FLOP/s of a product of two large float32 matrices by NumPy's BLAS on so many cores."""
    source = PRODUCT.format(threads=threads, size=size, repeats=repeats)
    done = subprocess.run(
        [sys.executable, "-c", source], env=environment(threads), cwd=ROOT, check=True, capture_output=True, text=True
    )
    return float(json.loads(done.stdout))
