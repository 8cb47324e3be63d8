"""The gradient of scaled dot-product attention: see dlrun.kernels.attention.

dv[j] = sum_q p[j, q] dy[q];   dp[j, q] = v[j] . dy[q];   ds = p (dp - sum_j p dp)
dq[q] = scale sum_j ds[j, q] k[j];   dk[j] = scale sum_q ds[j, q] q[q]
"""

from math import inf

from dlrun.kernels.attention import BAND, clear_row, first_query, make_scores, rows_of, sum_over_keys
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    Live,
    Number,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    first_of,
    helper,
    helper_apart,
    kernel,
    last_of,
    real,
    select,
    shift,
    tile,
    tile_columns,
)
from dlrun.kernels.products import rows_ahead
from dlrun.kernels.transposing import transpose


@helper
def sum_over_queries(p, x, x_step, y, y_step, zeros, keys, queries, width, causal):
    """y[j * y_step + i] = sum_q p[j, q] x[q * x_step + i]; under a causal mask, from the tile's first key on."""
    j = 0
    while j < keys:
        first, ahead = j if causal != 0 else 0, rows_ahead(keys - j)
        if first >= queries:
            for r in range(j, j + ahead):
                clear_row(shift(y, r * y_step), 0, width)
        else:
            for i in range(0, width, tile_columns):
                tile(
                    shift(p, j * queries + first), queries, 1, 0, shift(x, first * x_step + i), x_step, 0, zeros, 0,
                    shift(y, j * y_step + i), y_step, queries - first, 1, ahead, min(tile_columns, width - i),
                    real(-inf),
                )  # fmt: skip
        j += ahead


@helper
def undrop(p, dropped, dp, rate, keys, queries, causal):
    """dropped = p / (1 - rate) where kept (p >= 0), else 0; dp likewise."""
    scale, zero = real(1) / (real(1) - rate), real(0)
    for j in range(keys):
        first = min(first_query(j, causal), queries)
        row, out, slope = shift(p, j * queries), shift(dropped, j * queries), shift(dp, j * queries)
        clear_row(out, max(0, first - BAND), first)
        for q in range(first, queries):
            value, gradient = get(row, q), get(slope, q)
            put(out, q, select(value > zero, value * scale, zero))
            put(slope, q, select(value > zero, gradient * scale, zero))


@helper_apart
def softmax_gradient(p, dp, mask, masked, level, scale, keys, queries, causal):
    """dp = scale * |p| (dp - sum_j |p| dp), in place. Shapes: p, dp (keys, queries), level (queries)."""
    zero = real(0)
    for q in range(queries):
        level[q] = zero
    for j in range(keys):
        row, slope = shift(p, j * queries), shift(dp, j * queries)
        for q in range(min(first_query(j, causal), queries), queries):
            value = get(row, q)
            put(level, q, get(level, q) + select(value < zero, -value, value) * get(slope, q))
    for j in range(keys):
        row, slope, first = shift(p, j * queries), shift(dp, j * queries), min(first_query(j, causal), queries)
        clear_row(slope, max(0, first - BAND), first)
        if masked == 0 or mask[j] != zero:
            for q in range(first, queries):
                value = get(row, q)
                put(slope, q, select(value < zero, -value, value) * (get(slope, q) - get(level, q)) * scale)
        else:
            clear_row(slope, first, queries)


@kernel
def attention_backward(
    q: In, k: In, v: In, mask: In, saved: In, dy: In, dq: Out, dk: Out, dv: Out, zeros: In, scratch: Scratch,
    q_start: Size, k_start: Size, v_start: Size, q_step: Size, k_step: Size, v_step: Size, heads: Size,
    key_width: Size, value_width: Size, queries: Size, keys: Size, masked: Size, causal: Size, scale: Number,
    rate: Number, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dq, dk and dv of attention_forward, each laid out as what it is the gradient of.

    Shapes: as there; dy (rows, queries, heads * value_width). Partition: samples.
    """
    area, y_step = rows_of(keys) * queries, heads * value_width
    level = shift(scratch, value_width * queries)
    slope = shift(level, queries)
    dropped = shift(slope, area)
    for n in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        for h in range(heads):
            q_place = n * queries * q_step + q_start + h * key_width
            k_place = n * keys * k_step + k_start + h * key_width
            v_place = n * keys * v_step + v_start + h * value_width
            dy_here = shift(dy, (n * queries * heads + h) * value_width)
            p = shift(saved, (n * heads + h) * area)
            transpose(dy_here, y_step, scratch, queries, queries, value_width, real(1))
            make_scores(shift(v, v_place), v_step, scratch, slope, zeros, keys, queries, value_width, causal)
            weights = p
            if rate > real(0):
                undrop(p, dropped, slope, rate, keys, queries, causal)
                weights = dropped
            sum_over_queries(
                weights, dy_here, y_step, shift(dv, v_place), v_step, zeros, keys, queries, value_width, causal
            )
            softmax_gradient(p, slope, shift(mask, n * keys), masked, level, scale, keys, queries, causal)
            sum_over_keys(
                slope, shift(k, k_place), k_step, shift(dq, q_place), q_step, zeros, keys, queries, key_width, causal
            )
            sum_over_queries(
                slope, shift(q, q_place), q_step, shift(dk, k_place), k_step, zeros, keys, queries, key_width, causal
            )
