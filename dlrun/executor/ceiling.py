"""The machine's own ceiling in matrix products, which shares of a ceiling are shares of."""

from __future__ import annotations

import time

import numpy as np

from dlrun.executor.executor import Executor
from dlrun.kernels.ceiling import SCRATCH, multiply_in_cache
from dlrun.kernels.lang import Precision
from dlrun.plan import Argument, Buffer, Call, Plan, ScratchSize

ROUNDS, ATTEMPTS = 50, 12
SECONDS = 0.02
"""How long an attempt takes; the best of them counts, as whoever else uses the machine lowers it."""


def product_ceiling(threads: int, precision: Precision = "float32") -> float:
    """Return the best FLOP/s of matrix products on so many threads: the register tile's, on matrices in L1.

    It is a strict ceiling: products of large matrices have to fetch what they multiply. NumPy's BLAS (OpenBLAS)
    reached 94 GFLOP/s on one core and 186 on two where this reached 97 and 189, and has as many threads as cores.
    """
    flops = np.zeros(1, np.int64)
    plan = Plan(precision, threads, [], {"flops": Buffer("flops", 1, "data", "int64")})
    arguments: dict[str, Argument] = {"flops": plan.buffers["flops"], "scratch": ScratchSize(SCRATCH), "rounds": ROUNDS}
    plan.calls.append(Call(multiply_in_cache, arguments))
    executor = Executor(plan, threads, {"flops": flops})

    def seconds(steps: int) -> float:
        began = time.perf_counter()
        executor.run(np.full((steps, 1), threads), np.zeros((steps, 1)))
        return time.perf_counter() - began

    seconds(1)
    steps = max(1, round(20 * SECONDS / seconds(20)))
    best = min(seconds(steps) for _ in range(ATTEMPTS))
    return float(steps * ROUNDS * threads * flops[0] / best)
