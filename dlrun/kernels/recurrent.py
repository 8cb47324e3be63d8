"""What the recurrent layers' kernels share: a thread takes its own samples through time, and meets no other.

The inputs' part of all gates is one product for a block of steps at a time (`project_inputs`); then, step by step,
the hidden state's part is added (`start_gates`) and the cell makes of the gates its new state. Weights are packed in
panels of `tile_columns`, so that a tile reads them in order: read in place, the rows of a panel lie in a few sets of
the L1 cache and evict each other.

Names: x (rows, time, features), w (features, gates), u (units, gates), hidden states h (rows, steps, units). `gates`
(rows, kept, width) holds for each position the gates before, then after their activations, then their gradients: all
time in training, one block of steps in inference. What is kept for a way back lies step by step, (steps, rows, ..), in
the order in which it is written and read: each sample apart would be a stream of its own, and the cache's prefetchers
don't follow so many. Within `width`, the columns from INPUTS_AT on are those that inputs feed, the first RECURRENT ones
those that the hidden state feeds: they differ in a GRU only. `geometry` holds the sizes (`dlrun.layers.recurrent`).
With a LOOKUP, x are ids (rows, time) and w is what they stand for, projected (`recurrent_lookup`). STATEFUL ones find
the state to begin with before the first step's. A step is counted in the order of processing, a position in the order
of the input.

A position's gates may lie in two pieces: the columns before MIDDLE of all positions, and after them, APART further than
in one row, the others. The weights' gradients are made by columns, of two threads a half each; where halves meet in
memory, a core that comes to the end of one asks for lines of the other. In one piece MIDDLE is WIDTH, and APART 0.

What a step of a strip of samples works on (z: the gates before activation, h, c and their gradients) lies close
together in scratch memory: rows that are a sample apart fall into the same few sets of the L1 cache.

A cell is a pair of helpers for one step of one sample (`dlrun.layers.lstm` and its like):

    cell(z, gates, apart, c, h, units)      z: before activation, gates: after it, those behind the middle so far apart
                                            from the others; c, h: before → after
    cell_backward(gates, apart, c_before, h_before, h, dh, dc, units)       gates: after activation → gradients; dh, dc:
                                            those of h and c → of h_before and c_before, but for what passes by the
                                            weights
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.embedding import id_of
from dlrun.kernels.entries import copy_entries
from dlrun.kernels.lang import (
    In,
    Out,
    Primitive,
    Size,
    Thread,
    Threads,
    address,
    first_of,
    helper,
    kernel,
    last_of,
    pointer_to_int64,
    real,
    select,
    shift,
    tile_columns,
)
from dlrun.kernels.products import NO_LIMIT, tiles, tiles_from
from dlrun.kernels.transposing import transpose

(
    TIME, FEATURES, UNITS, WIDTH, INPUTS_AT, INPUTS, RECURRENT, TURN, BACKWARDS, KEPT, HAS_MASK, ZERO_MASKED,
    SEQUENCES, HIDDEN_AT, HIDDEN_ROW, HIDDEN_STEP, STATE_ROW, STATE_STEP, GRADIENT_AT, GRADIENT_ROW, GRADIENT_STEP,
    BIASES, LOOKUP, STATEFUL, GATE_ROW, GATE_STEP, MIDDLE, APART, GEOMETRY,
) = range(29)  # fmt: skip
"""Places in `geometry`, and how many there are."""
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
PLACES = 2 * STRIP
"""Reals at the start of the scratch memory that hold where each sample's inputs' part of the gates begins, as int64."""


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
        here, out = shift(w, p * tile_columns * outputs), shift(packed, p * outputs * tile_columns)
        turned = shift(out, (outputs - turn) * tile_columns)
        transpose(shift(here, turn), outputs, out, tile_columns, columns, outputs - turn, real(1))
        transpose(here, outputs, turned, tile_columns, columns, turn, real(1))


@helper
def at_column(gates, n, apart, g):
    """Return where a column of gates is, of which those behind the middle are so far apart."""
    return shift(gates, n + apart if n >= g[MIDDLE] else n)


@helper
def multiply_positions(
    a, a_sample, a_step, a_piece, pieces, panel, start, start_sample, start_step, c, c_sample, c_step, samples, steps,
    depth, columns,
):  # fmt: skip
    """c = start + a · panel at some samples' steps; entries of samples, of steps, and the pieces of a are so far apart.

    A piece has `depth` entries. A tile takes one step of several samples, or several steps of one sample: whatever
    there are more of.
    """
    rows, others, a_row, a_next, start_row, start_next, c_row, c_next = (
        samples, steps, a_sample, a_step, start_sample, start_step, c_sample, c_step,
    )  # fmt: skip
    if samples < steps:
        rows, others, a_row, a_next, start_row, start_next, c_row, c_next = (
            steps, samples, a_step, a_sample, start_step, start_sample, c_step, c_sample,
        )  # fmt: skip
    for other in range(others):
        tiles(
            shift(a, other * a_next), a_row, 1, a_piece, panel, tile_columns, depth * tile_columns,
            shift(start, other * start_next), start_row, shift(c, other * c_next), c_row, depth, pieces, rows, columns,
            real(NO_LIMIT),
        )  # fmt: skip


@helper
def project_inputs(x, w, bias, gates, first_row, count, position, steps, g):
    """Write the inputs' part of the gates, bias included, for some samples' positions from `position` on."""
    time, features, at, gate_row, gate_step = g[TIME], g[FEATURES], g[INPUTS_AT], g[GATE_ROW], g[GATE_STEP]
    slot = position if g[KEPT] == time else 0
    here = shift(gates, first_row * gate_row + slot * gate_step)
    inputs = shift(x, (first_row * time + position) * features)
    for n in range(0, g[INPUTS], tile_columns):
        multiply_positions(
            inputs, time * features, features, 0, 1, shift(w, n * features), shift(bias, at + n), 0, 0,
            at_column(here, at + n, g[APART], g), gate_row, gate_step, count, steps, features,
            min(tile_columns, g[INPUTS] - n),
        )  # fmt: skip
    for r in range(count):
        for p in range(steps):
            copy_entries(bias, shift(here, r * gate_row + p * gate_step), at)


@helper
def place_of(value, g):
    """Return where the gates are that were projected for an id: for what is none, NaN, behind those of all ids."""
    id = id_of(value, g[LOOKUP])
    return select(id >= 0, id, g[LOOKUP]) * g[WIDTH]


@helper
def add_product(a, a_row, a_piece, pieces, depth, b, c, c_row, rows, columns):
    """c[r, n] += sum_k a[r, k] b[k, n], with a in pieces of `depth` entries, so far apart, and b packed in panels."""
    for n in range(0, columns, tile_columns):
        here = shift(c, n)
        tiles(
            a, a_row, 1, a_piece, shift(b, n * depth * pieces), tile_columns, depth * tile_columns, here, c_row,
            here, c_row, depth, pieces, rows, min(tile_columns, columns - n), real(NO_LIMIT),
        )  # fmt: skip


@helper
def start_gates(inputs, places, apart, z, h, u, count, is_first, g):
    """z[r] = inputs[r] + h[r] u, with u packed in panels, at the columns that states feed; in a first step the inputs.

    A sample's inputs' part begins at its place; where it isn't multiplied, it is copied.
    """
    units, width, middle = g[UNITS], g[WIDTH], g[MIDDLE]
    multiplied = 0 if is_first else g[RECURRENT]
    for n in range(0, multiplied, tile_columns):
        tiles_from(
            h, units, 1, 0, shift(u, n * units), tile_columns, 0, at_column(inputs, n, apart, g), places, shift(z, n),
            width, units, 1, count, min(tile_columns, multiplied - n), real(NO_LIMIT),
        )  # fmt: skip
    late = max(multiplied, middle)
    for r in range(count if multiplied < width else 0):
        here, out = shift(inputs, places[r]), shift(z, r * width)
        if multiplied < middle:
            copy_entries(shift(here, multiplied), shift(out, multiplied), middle - multiplied)
        if late < width:
            copy_entries(shift(here, late + apart), shift(out, late), width - late)


@helper
def begin_states(hidden, states, all_h, all_c, first_row, count, g):
    """Write the states before the first step of some samples: zeros, or those that a stateful layer has kept."""
    units = g[UNITS]
    clear(all_h, count * units)
    clear(all_c, count * units)
    if g[STATEFUL] != 0:
        for r in range(count):
            row = first_row + r
            copy_entries(shift(hidden, row * g[HIDDEN_ROW] - g[HIDDEN_STEP]), shift(all_h, r * units), units)
            if g[STATE_STEP] != 0:
                copy_entries(shift(states, row * g[STATE_ROW] - g[STATE_STEP]), shift(all_c, r * units), units)


@helper
def run_forward(cell, x, w, u, bias, mask, gates, states, hidden, scratch, g, rows, thread, threads):
    """Take this thread's samples through time."""
    time, units, kept, width, gate_row = g[TIME], g[UNITS], g[KEPT], g[WIDTH], g[GATE_ROW]
    places, all_z = pointer_to_int64(address(scratch)), shift(scratch, PLACES)
    all_h, all_c = shift(all_z, STRIP * width), shift(all_z, STRIP * (width + units))
    not_kept = shift(all_z, STRIP * (width + 2 * units))
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    for strip in range(first, last, STRIP):
        count = min(STRIP, last - strip)
        begin_states(hidden, states, all_h, all_c, strip, count, g)
        for r in range(count):
            places[r] = r * gate_row
        for s in range(time):
            start = s // STEPS * STEPS
            steps = min(STEPS, time - start)
            position = time - 1 - s if g[BACKWARDS] != 0 else s
            begin = time - start - steps if g[BACKWARDS] != 0 else start
            slot = position if kept == time else position - begin
            here = shift(gates, strip * gate_row + slot * g[GATE_STEP])
            is_first = s == 0 and g[STATEFUL] == 0
            if g[LOOKUP] != 0:
                for r in range(count):
                    places[r] = place_of(x[(strip + r) * time + position], g)
                start_gates(w, places, 0, all_z, all_h, u, count, is_first, g)
            else:
                if s == start:
                    project_inputs(x, w, bias, gates, strip, count, begin, steps, g)
                start_gates(here, places, g[APART], all_z, all_h, u, count, is_first, g)
            for r in range(count):
                row, z, h, c = strip + r, shift(all_z, r * width), shift(all_h, r * units), shift(all_c, r * units)
                if g[HAS_MASK] == 0 or mask[row * time + position] != real(0):
                    cell(z, shift(here, r * gate_row) if kept == time else not_kept, g[APART], c, h, units)
                copy_entries(h, shift(hidden, row * g[HIDDEN_ROW] + s * g[HIDDEN_STEP]), units)
                if g[STATE_STEP] != 0:
                    copy_entries(c, shift(states, row * g[STATE_ROW] + s * g[STATE_STEP]), units)


@helper
def run_backward(cell, u, mask, zeros, gates, states, hidden, dy, scratch, g, rows, thread, threads):
    """Take the gradients of this thread's samples back through time."""
    time, units, width, gate_row, pieces = g[TIME], g[UNITS], g[WIDTH], g[GATE_ROW], g[WIDTH] // g[MIDDLE]
    all_dh, all_dc = scratch, shift(scratch, STRIP * units)
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    for strip in range(first, last, STRIP):
        count = min(STRIP, last - strip)
        clear(all_dc, count * units)
        for r in range(count):
            dh, given = shift(all_dh, r * units), shift(dy, (strip + r) * g[GRADIENT_ROW])
            for j in range(units):
                dh[j] = real(0) if g[SEQUENCES] != 0 else given[j]
        for back in range(time):
            s = time - 1 - back
            position = back if g[BACKWARDS] != 0 else s
            here = shift(gates, strip * gate_row + position * g[GATE_STEP])
            for r in range(count):
                row, gate = strip + r, shift(here, r * gate_row)
                dh, dc = shift(all_dh, r * units), shift(all_dc, r * units)
                masked = g[HAS_MASK] != 0 and mask[row * time + position] == real(0)
                if g[SEQUENCES] != 0 and not (masked and g[ZERO_MASKED] != 0):
                    given = shift(dy, row * g[GRADIENT_ROW] + s * g[GRADIENT_STEP])
                    for j in range(units):
                        dh[j] += given[j]
                if masked:
                    clear(gate, g[MIDDLE])
                    clear(shift(gate, g[MIDDLE] + g[APART]), width - g[MIDDLE])
                else:
                    is_start = s == 0 and g[STATEFUL] == 0
                    h = shift(hidden, row * g[HIDDEN_ROW] + s * g[HIDDEN_STEP])
                    h_before = zeros if is_start else shift(h, -g[HIDDEN_STEP])
                    c_before = zeros if is_start else shift(states, row * g[STATE_ROW] + (s - 1) * g[STATE_STEP])
                    cell(gate, g[APART], c_before, h_before, h, dh, dc, units)
            if s > 0:
                add_product(
                    here, gate_row, g[MIDDLE] + g[APART], pieces, g[RECURRENT] // pieces, u, all_dh, units, count, units
                )
