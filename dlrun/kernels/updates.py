"""Kernels around the optimizers' own: what is done to a gradient before and after them, part by part.

An update is a chain of kernels that are given a part of a gradient at a time: the entries [start, start + count) of
the variable, at the address `gradient`. They may change those numbers: the next kernel of the chain sees the change.
"""

from __future__ import annotations

from math import sqrt

from dlrun.kernels.lang import (
    Count,
    Gradient,
    In,
    InDouble,
    InOut,
    InOutDouble,
    Live,
    Number,
    Out,
    OutDouble,
    Size,
    Start,
    Thread,
    Threads,
    Update,
    apply_update,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    select,
    shift,
)

BLOCK = 4096
"""Entries that are summed together, and walked at a time: part of the bits of penalties."""
NORM_BLOCK = 256
"""Entries whose squares are summed together: few, so that most lie whole within the parts that layers hand on; part of
the bits of norms."""


@kernel
def store_gradient(dw: Out, gradient: Gradient, start: Start, count: Count) -> None:
    """dw[start + i] = gradient[i]."""
    here = shift(dw, start)
    for i in range(count):
        here[i] = gradient[i]


@kernel
def accumulate_gradient(total: InOut, gradient: Gradient, start: Start, count: Count) -> None:
    """total[start + i] += gradient[i]."""
    here = shift(total, start)
    for i in range(count):
        here[i] += gradient[i]


@kernel
def add_gradient(others: In, gradient: Gradient, start: Start, count: Count) -> None:
    """gradient[i] += others[start + i]."""
    here = shift(others, start)
    for i in range(count):
        gradient[i] += here[i]


@kernel
def average_gradient(micro_steps: Live, gradient: Gradient, start: Start, count: Count) -> None:
    """Divide the gradient by the number of steps over which it was summed."""
    share = real(1) / real(micro_steps)
    for i in range(count):
        gradient[i] *= share


@kernel
def scale_gradient(factor: In, gradient: Gradient, start: Start, count: Count) -> None:
    """Multiply the gradient by factor[0]."""
    scale = factor[0]
    for i in range(count):
        gradient[i] *= scale


@kernel
def clip_gradient(limit: Number, gradient: Gradient, start: Start, count: Count) -> None:
    """Bring each entry into [-limit, limit]; NaN stays NaN."""
    for i in range(count):
        below = select(gradient[i] > limit, limit, gradient[i])
        gradient[i] = select(below < -limit, -limit, below)


@kernel
def clear_gradient(gradient: Gradient, start: Start, count: Count) -> None:
    """Set the gradient to zero, for the next sum."""
    for i in range(count):
        gradient[i] = real(0)


@kernel
def decay_weights(w: InOut, scalars: InDouble, decay: Number, gradient: Gradient, start: Start, count: Count) -> None:
    """w *= 1 - rate * decay (Loshchilov & Hutter 2019)."""
    here, kept = shift(w, start), real(1 - scalars[0] * decay)
    for i in range(count):
        here[i] *= kept


@kernel
def follow_weights(w: In, average: InOut, scalars: InDouble, gradient: Gradient, start: Start, count: Count) -> None:
    """average += (w - average) * scalars[1]; a factor of 1 copies."""
    here, mean, follow = shift(w, start), shift(average, start), real(scalars[1])
    if follow == real(1):
        for i in range(count):
            mean[i] = here[i]
    else:
        for i in range(count):
            mean[i] += (here[i] - mean[i]) * follow


@helper
def sum_of_squares(values, count):
    """Return sum_i values[i]², in float64, in four sums of every fourth entry."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = count - count % 4
    for i in range(0, whole, 4):
        a += values[i] * 1.0 * values[i]
        b += values[i + 1] * 1.0 * values[i + 1]
        c += values[i + 2] * 1.0 * values[i + 2]
        d += values[i + 3] * 1.0 * values[i + 3]
    for i in range(whole, count):
        a += values[i] * 1.0 * values[i]
    return (a + b) + (c + d)


@kernel
def square_gradient(squares: OutDouble, size: Size, gradient: Gradient, start: Start, count: Count) -> None:
    """squares[j] = sum_i gradient[i]² over the block j of NORM_BLOCK entries, for the blocks that lie in this part.

    A block of which only a piece is here gets -1: `missing_squares` sums it when all pieces are stored.
    """
    first, last = start // NORM_BLOCK, (start + count - 1) // NORM_BLOCK
    for block in range(first, last + 1):
        begin = block * NORM_BLOCK
        end = min(begin + NORM_BLOCK, size)
        whole = begin >= start and end <= start + count
        squares[block] = sum_of_squares(shift(gradient, begin - start), end - begin) if whole else -1.0


@kernel
def missing_squares(
    gradient: In, squares: InOutDouble, apply: Live, size: Size, thread: Thread, threads: Threads
) -> None:
    """Sum the squares of the blocks that came in pieces. Partition: split."""
    blocks = (size + NORM_BLOCK - 1) // NORM_BLOCK
    if apply != 0:
        for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
            if squares[block] < 0.0:
                begin = block * NORM_BLOCK
                squares[block] = sum_of_squares(shift(gradient, begin), min(NORM_BLOCK, size - begin))


@helper
def walk(values, chain, size, thread, threads):
    """Hand this thread's blocks of `values` to the chain. Partition: split."""
    blocks = (size + BLOCK - 1) // BLOCK
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        start = block * BLOCK
        apply_update(chain, shift(values, start), start, min(BLOCK, size - start))


@kernel
def walk_gradient(gradient: InOut, chain: Update, apply: Live, size: Size, thread: Thread, threads: Threads) -> None:
    """Hand a stored gradient to the chain, block by block, in steps in which the optimizer acts. Partition: split."""
    if apply != 0:
        walk(gradient, chain, size, thread, threads)


@kernel
def walk_weights(w: In, chain: Update, size: Size, thread: Thread, threads: Threads) -> None:
    """Hand weights to a chain that only reads them, block by block. Partition: split."""
    walk(w, chain, size, thread, threads)


@kernel
def add_sums(sums: InDouble, before: InDouble, total: OutDouble, count: Size, thread: Thread) -> None:
    """total[0] = before[0] + sums[0] + ... + sums[count - 1], in this order. Partition: one."""
    if thread == 0:
        result = before[0]
        for i in range(count):
            result += sums[i]
        total[0] = result


@kernel
def norm_factor(squares: InDouble, factor: Out, limit: Number, thread: Thread) -> None:
    """factor[0] = limit / max(sqrt(squares[0]), limit): what brings a norm to at most `limit`. Partition: one."""
    if thread == 0:
        norm = real(sqrt(squares[0]))
        factor[0] = limit / select(norm > limit, norm, limit)


@kernel
def collect_penalty(total: InDouble, out: Out, index: Live, thread: Thread) -> None:
    """out[index] = total[0]. Partition: one."""
    if thread == 0:
        out[index] = real(total[0])
