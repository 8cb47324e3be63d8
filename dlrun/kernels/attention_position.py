"""Causal attention of one position at a time, to the keys and values that were kept of itself and those before."""

from dlrun.kernels.attention import make_scores, softmax_over_keys, sum_over_keys
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    InOut,
    Live,
    Number,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    shift,
)
from dlrun.kernels.transposing import transpose


@helper
def keep(vector, kept, width):
    """Copy a vector to where it is kept."""
    for i in range(width):
        put(kept, i, get(vector, i))


@kernel
def attention_position(
    q: In, k: In, v: In, mask: In, keys: InOut, values: InOut, real_keys: InOut, y: Out, zeros: In, scratch: Scratch,
    q_start: Size, k_start: Size, v_start: Size, q_step: Size, k_step: Size, v_step: Size, heads: Size,
    key_width: Size, value_width: Size, room: Size, masked: Size, scale: Number, position: Live, rows: Live,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """What `attention_forward` makes of this position under a causal mask, to the same bits.

    Shapes: q (rows, q_step) with the heads (heads, key_width) at q_start, k and v likewise, mask (rows), keys
    (rows, heads, room, key_width), values (rows, heads, room, value_width), real_keys (rows, room), y
    (rows, heads * value_width). The positions before are kept in keys, values and, if `masked`, real_keys; this one is
    added. Partition: samples.
    """
    seen = position + 1
    top, total = shift(scratch, key_width), shift(scratch, key_width + 1)
    p = shift(scratch, key_width + 2)
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        real_here = shift(real_keys, n * room)
        if masked != 0:
            real_here[position] = mask[n]
        for h in range(heads):
            keys_here = shift(keys, (n * heads + h) * room * key_width)
            values_here = shift(values, (n * heads + h) * room * value_width)
            keep(shift(k, n * k_step + k_start + h * key_width), shift(keys_here, position * key_width), key_width)
            keep(
                shift(v, n * v_step + v_start + h * value_width), shift(values_here, position * value_width),
                value_width,
            )  # fmt: skip
            transpose(shift(q, n * q_step + q_start + h * key_width), q_step, scratch, 1, 1, key_width, scale)
            make_scores(keys_here, key_width, scratch, p, zeros, seen, 1, key_width, 0)
            softmax_over_keys(p, real_here, masked, top, total, seen, 1, 0)
            sum_over_keys(
                p, values_here, value_width, shift(y, (n * heads + h) * value_width), value_width, zeros, seen, 1,
                value_width, 0,
            )  # fmt: skip
