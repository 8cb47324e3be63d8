"""What the recurrent layers' kernels share: a thread takes its own samples through time, and meets no other.

The inputs' part of all gates is one product for a block of steps at a time (`project_inputs`); then, step by step,
the hidden state's part is added (`add_product`) and the cell makes of the gates its new state. Weights are packed in
panels of `tile_columns`, so that a tile reads them in order: read in place, the rows of a panel lie in a few sets of
the L1 cache and evict each other.

Names: x (rows, time, features), w (features, gates), u (units, gates), hidden states h (rows, steps, units). `gates`
(rows, kept, width) holds for each position the gates before, then after their activations, then their gradients: all
time in training, one block of steps in inference. Within `width`, the columns from INPUTS_AT on are those that inputs
feed, the first RECURRENT ones those that the hidden state feeds: they differ in a GRU only. `geometry` holds the sizes
(`dlrun.layers.recurrent`). A step is counted in the order of processing, a position in the order of the input.

A cell is a pair of helpers for one step of one sample (`dlrun.layers.lstm` and its like):

    cell(gates, c_before, c, h_before, h, units)                 gates: before → after activation; writes c and h
    cell_backward(gates, c_before, c, h_before, dh, dc, units)   gates: after activation → gradients; dh, dc: the
                                                                 gradients of h and c → those that reach h_before
                                                                 and c_before without passing through the weights
"""

from dlrun.kernels.lang import (
    In,
    Out,
    Primitive,
    Size,
    Thread,
    Threads,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    shift,
    tile,
    tile_columns,
)
from dlrun.kernels.products import NO_LIMIT, rows_ahead

(
    TIME, FEATURES, UNITS, WIDTH, INPUTS_AT, INPUTS, RECURRENT, TURN, BACKWARDS, KEPT, HAS_MASK, ZERO_MASKED,
    SEQUENCES, HIDDEN_AT, HIDDEN_ROW, HIDDEN_STEP, STATE_ROW, STATE_STEP, GRADIENT_AT, GRADIENT_ROW, GRADIENT_STEP,
    BIASES,
) = range(22)  # fmt: skip
"""Places in `geometry`."""
sigmoid = Primitive("dlrun.kernels.recurrent_functions:sigmoid")
"""1 / (1 + exp(-x)), to 2e-7."""
tanh = Primitive("dlrun.kernels.recurrent_functions:tanh")
"""tanh(x); 6 ulp."""
copy_columns = Primitive("dlrun.kernels.recurrent_functions:copy_columns", by_lanes=True)
"""copy_columns(source, target): copy tile_columns entries, as vectors."""
STEPS = 12
"""Steps whose inputs are projected at a time: their gates are still in L2 when the steps are taken."""
STRIP = 32
"""Samples that are taken through time together: as many rows share a panel of weights, and their gates fit in L2."""


@kernel
def pack_panels(w: In, packed: Out, inputs: Size, outputs: Size, turn: Size, thread: Thread, threads: Threads) -> None:
    """packed[p, i, j] = w[i, (p * tile_columns + j + turn) % outputs], whatever beyond the last column.

    Shapes: w (inputs, outputs), packed (panels, inputs, tile_columns). Partition: panels.
    """
    panels = (outputs + tile_columns - 1) // tile_columns
    for p in range(first_of(panels, thread, threads), last_of(panels, thread, threads)):
        first = p * tile_columns
        columns = min(tile_columns, outputs - first)
        early = min(max(outputs - turn - first, 0), columns)
        for i in range(inputs):
            row, out = shift(w, i * outputs), shift(packed, (p * inputs + i) * tile_columns)
            if early == tile_columns:
                copy_columns(shift(row, first + turn), out)
            else:
                for j in range(early):
                    out[j] = row[first + turn + j]
                for j in range(early, columns):
                    out[j] = row[first + turn + j - outputs]


@kernel
def pack_panels_transposed(
    w: In, packed: Out, inputs: Size, outputs: Size, turn: Size, thread: Thread, threads: Threads
) -> None:
    """packed[p, n, j] = w[p * tile_columns + j, (n + turn) % outputs], whatever beyond the last row.

    Shapes: w (inputs, outputs), packed (panels, outputs, tile_columns). Partition: panels.
    """
    panels = (inputs + tile_columns - 1) // tile_columns
    for p in range(first_of(panels, thread, threads), last_of(panels, thread, threads)):
        columns = min(tile_columns, inputs - p * tile_columns)
        here = shift(w, p * tile_columns * outputs)
        for n in range(outputs):
            out, column = (
                shift(packed, (p * outputs + n) * tile_columns),
                n + turn if n + turn < outputs else n + turn - outputs,
            )
            for j in range(columns):
                out[j] = here[j * outputs + column]


@helper
def project_inputs(x, w, bias, gates, first_row, count, first_step, steps, g):
    """Write the inputs' part of the gates, bias included, for a block of steps of some samples."""
    time, features, width, kept = g[TIME], g[FEATURES], g[WIDTH], g[KEPT]
    position = time - first_step - steps if g[BACKWARDS] != 0 else first_step
    slot = position if kept == time else 0
    inputs = shift(gates, g[INPUTS_AT])
    for n in range(0, g[INPUTS], tile_columns):
        columns, start = min(tile_columns, g[INPUTS] - n), shift(bias, g[INPUTS_AT] + n)
        for row in range(first_row, first_row + count):
            a, c = shift(x, (row * time + position) * features), shift(inputs, (row * kept + slot) * width + n)
            p = 0
            while p < steps:
                ahead = rows_ahead(steps - p)
                tile(
                    shift(a, p * features), features, 1, 0, shift(w, n * features), tile_columns, 0, start, 0,
                    shift(c, p * width), width, features, 1, ahead, columns, real(NO_LIMIT),
                )  # fmt: skip
                p += ahead
    for row in range(first_row, first_row + count):
        for p in range(steps):
            c = shift(gates, (row * kept + slot + p) * width)
            for n in range(g[INPUTS_AT]):
                c[n] = bias[n]


@helper
def add_product(a, a_row, depth, b, c, c_row, rows, columns):
    """c[r, n] += sum_k a[r, k] b[k, n], with b packed in panels."""
    for n in range(0, columns, tile_columns):
        r = 0
        while r < rows:
            here, ahead = shift(c, r * c_row + n), rows_ahead(rows - r)
            tile(
                shift(a, r * a_row), a_row, 1, 0, shift(b, n * depth), tile_columns, 0, here, c_row, here, c_row,
                depth, 1, ahead, min(tile_columns, columns - n), real(NO_LIMIT),
            )  # fmt: skip
            r += ahead


@helper
def run_forward(cell, x, w, u, bias, mask, zeros, gates, states, hidden, g, rows, thread, threads):
    """Take this thread's samples through time."""
    time, units, kept, width = g[TIME], g[UNITS], g[KEPT], g[WIDTH]
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    for strip in range(first, last, STRIP):
        count = min(STRIP, last - strip)
        for start in range(0, time, STEPS):
            steps = min(STEPS, time - start)
            project_inputs(x, w, bias, gates, strip, count, start, steps, g)
            before_first = time - start - steps if g[BACKWARDS] != 0 else start
            for s in range(start, start + steps):
                position = time - 1 - s if g[BACKWARDS] != 0 else s
                slot = position if kept == time else position - before_first
                here = shift(gates, (strip * kept + slot) * width)
                h_here = shift(hidden, strip * g[HIDDEN_ROW] + s * g[HIDDEN_STEP])
                c_here = shift(states, strip * g[STATE_ROW] + s * g[STATE_STEP])
                if s > 0:
                    earlier = shift(h_here, -g[HIDDEN_STEP])
                    add_product(earlier, g[HIDDEN_ROW], units, u, here, kept * width, count, g[RECURRENT])
                for r in range(count):
                    h, c = shift(h_here, r * g[HIDDEN_ROW]), shift(c_here, r * g[STATE_ROW])
                    h_before = zeros if s == 0 else shift(h, -g[HIDDEN_STEP])
                    c_before = zeros if s == 0 else shift(c, -g[STATE_STEP])
                    if g[HAS_MASK] != 0 and mask[(strip + r) * time + position] == real(0):
                        for j in range(units):
                            c[j] = c_before[j]
                        for j in range(units):
                            h[j] = h_before[j]
                    else:
                        cell(shift(here, r * kept * width), c_before, c, h_before, h, units)


@helper
def run_backward(cell, u, mask, zeros, gates, states, hidden, dy, scratch, g, rows, thread, threads):
    """Take the gradients of this thread's samples back through time; `scratch` holds those of h and c of a strip."""
    time, units, width = g[TIME], g[UNITS], g[WIDTH]
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    all_dh, all_dc = scratch, shift(scratch, STRIP * units)
    for strip in range(first, last, STRIP):
        count = min(STRIP, last - strip)
        for r in range(count):
            dh, dc, given = shift(all_dh, r * units), shift(all_dc, r * units), shift(dy, (strip + r) * g[GRADIENT_ROW])
            for j in range(units):
                dc[j] = real(0)
            for j in range(units):
                dh[j] = real(0) if g[SEQUENCES] != 0 else given[j]
        for back in range(time):
            s = time - 1 - back
            position = back if g[BACKWARDS] != 0 else s
            here = shift(gates, (strip * time + position) * width)
            for r in range(count):
                row = strip + r
                dh, dc, gate = shift(all_dh, r * units), shift(all_dc, r * units), shift(here, r * time * width)
                masked = g[HAS_MASK] != 0 and mask[row * time + position] == real(0)
                if g[SEQUENCES] != 0 and not (masked and g[ZERO_MASKED] != 0):
                    given = shift(dy, row * g[GRADIENT_ROW] + s * g[GRADIENT_STEP])
                    for j in range(units):
                        dh[j] += given[j]
                if masked:
                    for j in range(width):
                        gate[j] = real(0)
                else:
                    c = shift(states, row * g[STATE_ROW] + s * g[STATE_STEP])
                    c_before = zeros if s == 0 else shift(c, -g[STATE_STEP])
                    h_before = zeros if s == 0 else shift(hidden, row * g[HIDDEN_ROW] + (s - 1) * g[HIDDEN_STEP])
                    cell(gate, c_before, c, h_before, dh, dc, units)
            if s > 0:
                add_product(here, time * width, g[RECURRENT], u, all_dh, units, count, units)
