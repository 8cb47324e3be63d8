"""The gradients of a recurrent layer's input and weights, from those of its gates; names as in `recurrent`.

All steps of all samples are one sum: dw = xᵀ · dgates, du = h_beforeᵀ · dgates, and a bias's gradient is that of a row
of weights whose input is always 1. Threads share out the columns, so that each reads its own part of the gates'
gradients only, and multiplies it with all inputs. The sum runs over steps in the order of processing, and over a
step's samples, whatever the threads.
"""

from dlrun.kernels.chunks import clear
from dlrun.kernels.entries import copy_entries
from dlrun.kernels.lang import (
    In,
    InLong,
    Live,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    Update,
    apply_update,
    first_of,
    helper,
    kernel,
    last_of,
    real,
    shift,
    tile_columns,
)
from dlrun.kernels.products import NO_LIMIT, tiles
from dlrun.kernels.recurrent import (
    APART,
    BACKWARDS,
    BIASES,
    FEATURES,
    GATE_ROW,
    GATE_STEP,
    HIDDEN_AT,
    HIDDEN_ROW,
    HIDDEN_STEP,
    INPUTS,
    INPUTS_AT,
    LOOKUP,
    MIDDLE,
    STATEFUL,
    TIME,
    TURN,
    UNITS,
    WIDTH,
    at_column,
    copy_columns,
    multiply_positions,
)

POSITIONS = 48
"""Positions whose gates are multiplied with all panels of weights before the next ones: they stay in L2."""
DEPTH = 128
"""Positions that are summed at a time (whole steps if they have fewer rows): both factors of a panel stay in L1."""
COLUMNS = 256
"""Columns of the weights' gradient made at a time, at most."""
ROWS = 132
"""Rows of the weights' gradient made at a time, and one more: their sums stay in L2, and what they are made of, packed
so far apart, lies in all sets of L1."""
NEARBY = 256
"""Reals between two positions' gates, or states, at most that are multiplied where they lie: further apart, a block's
lie in too few sets of L1 and L2."""
PACKED = (DEPTH + 1) * COLUMNS
"""Reals that the packed gates take: a row more for each panel, or the panels' first rows would lie in one set of L1."""
SCRATCH = PACKED + DEPTH * ROWS + ROWS * COLUMNS
"""Reals that the weights' gradient needs for each thread, besides a tile's edges."""


@kernel
def recurrent_backward_input(
    gates: In, w: In, start: In, dx: Out, accumulates: Size, geometry: InLong, rows: Live, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """dx[p, i] = sum_n dgates[p, n] w[i, n], added to `start` if it accumulates: the other direction's.

    Shapes: gates (time, rows, width), w (panels, gates, tile_columns): packed transposed, start (zeros, or dx),
    dx (rows, time, features). Partition: samples.
    """
    g, time, features, depth = geometry, geometry[TIME], geometry[FEATURES], geometry[INPUTS]
    pieces = g[WIDTH] // g[MIDDLE]
    first, last = first_of(rows, thread, threads), last_of(rows, thread, threads)
    steps_at_once, start_step = max(1, POSITIONS // max(1, last - first)), features if accumulates != 0 else 0
    for step in range(0, time, steps_at_once):
        inputs = shift(gates, first * g[GATE_ROW] + step * g[GATE_STEP] + g[INPUTS_AT])
        for i in range(0, features, tile_columns):
            here = (first * time + step) * features + i
            multiply_positions(
                inputs, g[GATE_ROW], g[GATE_STEP], g[MIDDLE] + g[APART], pieces, shift(w, i * depth),
                shift(start, here if accumulates != 0 else 0), time * start_step, start_step, shift(dx, here),
                time * features, features, last - first, min(steps_at_once, time - step), depth // pieces,
                min(tile_columns, features - i),
            )  # fmt: skip


@helper
def pack_gates(gates, packed, first_row, samples, first_step, steps, columns, g):
    """Copy columns of the gates' gradients of some samples' steps to packed (panels, depth + 1, tile_columns).

    There are depth = steps * samples positions.
    """
    time, panel = g[TIME], steps * samples + 1
    for s in range(first_step, first_step + steps):
        position = time - 1 - s if g[BACKWARDS] != 0 else s
        for r in range(samples):
            here = shift(gates, (first_row + r) * g[GATE_ROW] + position * g[GATE_STEP])
            out = shift(packed, ((s - first_step) * samples + r) * tile_columns)
            for n in range(0, columns, tile_columns):
                copy_columns(shift(here, n), shift(out, n * panel))


@helper
def pack_inputs(x, hidden, packed, x_count, b_count, h_count, first_row, samples, first_step, steps, g):
    """Copy what the weights multiply to packed (steps * samples, ROWS): x, a 1, and the state before the step."""
    time, features = g[TIME], g[FEATURES]
    for s in range(first_step, first_step + steps):
        position = time - 1 - s if g[BACKWARDS] != 0 else s
        for r in range(first_row, first_row + samples):
            out = shift(packed, ((s - first_step) * samples + r - first_row) * ROWS)
            copy_entries(shift(x, (r * time + position) * features), out, x_count)
            out[x_count] = real(1)
            states = shift(out, x_count + b_count)
            if s > 0 or g[STATEFUL] != 0:
                copy_entries(shift(hidden, r * g[HIDDEN_ROW] + (s - 1) * g[HIDDEN_STEP]), states, h_count)
            else:
                clear(states, h_count)


@helper
def add_block(a, a_row, a_step, gates, panel, gate_row, gate_step, sums, count, columns, samples, steps):
    """sums[i, n] += sum_s sum_r a[s, r, i] gates[s, r, n]; samples, steps, and the gates' panels are so far apart."""
    inner, outer = samples, steps
    if a_step == samples * a_row and gate_step == samples * gate_row:
        inner, outer = samples * steps, 1
    for n in range(0, columns, tile_columns):
        out = shift(sums, n)
        tiles(
            a, 1, a_row, a_step, shift(gates, n // tile_columns * panel), gate_row, gate_step,
            out, columns, out, columns, inner, outer, count, min(tile_columns, columns - n), real(NO_LIMIT),
        )  # fmt: skip


@helper
def add_positions(
    inputs, hidden, gates, packed, sums, inputs_count, h_count, columns, first_row, samples, first_step, steps, g
):  # fmt: skip
    """sums += [inputs, h_before]ᵀ · gates over some samples' steps: the inputs are packed, states are where they lie.

    Gates are packed first where they lie far apart. Before the first step the state is zero, unless it is kept.
    """
    position, panel, gate_row, gate_step = first_step, tile_columns, g[GATE_ROW], g[GATE_STEP]
    if g[BACKWARDS] != 0:
        position, gate_step = g[TIME] - 1 - first_step, -gate_step
    here = shift(gates, first_row * gate_row + position * g[GATE_STEP])
    if gate_row > NEARBY:
        pack_gates(gates, packed, first_row, samples, first_step, steps, columns, g)
        here, panel, gate_row = packed, (samples * steps + 1) * tile_columns, tile_columns
        gate_step = samples * gate_row
    add_block(
        inputs, ROWS, samples * ROWS, here, panel, gate_row, gate_step, sums, inputs_count, columns, samples, steps
    )
    late = 1 if first_step == 0 and g[STATEFUL] == 0 else 0
    if h_count > 0 and steps > late:
        before = shift(hidden, first_row * g[HIDDEN_ROW] + (first_step + late - 1) * g[HIDDEN_STEP])
        add_block(
            before, g[HIDDEN_ROW], g[HIDDEN_STEP], shift(here, late * gate_step), panel, gate_row, gate_step,
            shift(sums, inputs_count * columns), h_count, columns, samples, steps - late,
        )  # fmt: skip


@helper
def hand_on(update, at, sums, count, first, columns, turn, outputs):
    """Pass the gradients of a variable's rows on, where its columns are the gates', turned by `turn`."""
    whole = outputs - turn
    early = min(max(whole - first, 0), columns)
    for i in range(count):
        row, start = shift(sums, i * columns), at + i * outputs
        if early > 0:
            apply_update(update, row, start + first + turn, early)
        if early < columns:
            apply_update(update, shift(row, early), start + first + early - whole, columns - early)


@helper
def columns_together(first, end, g):
    """Return how many columns of [first, end) lie side by side from the first on, COLUMNS at most."""
    limit = g[MIDDLE] if first < g[MIDDLE] else end
    return min(COLUMNS, min(limit, end) - first)


@helper
def multiply_columns(
    x, hidden, gates, dw, du, db, bias_at, turn, outputs, x_count, h_count, b_count, first, columns, scratch, g, rows
):  # fmt: skip
    """Make columns of the gradients of the first rows of each: x_count of dw, h_count of du, b_count (0 or 1) of db."""
    time, before_states = g[TIME], x_count + b_count
    packed, inputs, sums = scratch, shift(scratch, PACKED), shift(scratch, PACKED + DEPTH * ROWS)
    steps_at_once = max(1, DEPTH // max(1, rows))
    for block in range(0, before_states + h_count, ROWS - 1):
        end = min(block + ROWS - 1, before_states + h_count)
        x_from, h_from = min(block, x_count), max(block - before_states, 0)
        x_rows, h_rows = min(end, x_count) - x_from, max(end - before_states, 0) - h_from
        b_rows = end - block - x_rows - h_rows
        h_packed = 0 if g[HIDDEN_ROW] <= NEARBY else h_rows
        all_packed = x_rows + b_rows + h_packed
        clear(sums, (end - block) * columns)
        for step in range(0, time, steps_at_once):
            steps = min(steps_at_once, time - step)
            for row in range(0, rows, DEPTH):
                samples = min(DEPTH, rows - row)
                here = shift(hidden, h_from)
                if all_packed > 0:
                    pack_inputs(shift(x, x_from), here, inputs, x_rows, b_rows, h_packed, row, samples, step, steps, g)
                add_positions(
                    inputs, here, at_column(gates, first, g[APART], g), packed, sums, all_packed, h_rows - h_packed,
                    columns, row, samples, step, steps, g,
                )  # fmt: skip
        b_sums, h_sums = shift(sums, x_rows * columns), shift(sums, (x_rows + b_rows) * columns)
        hand_on(dw, x_from * outputs, sums, x_rows, first, columns, 0, outputs)
        hand_on(db, bias_at, b_sums, b_rows, first, columns, turn, outputs)
        hand_on(du, h_from * outputs, h_sums, h_rows, first, columns, turn, outputs)


@kernel
def recurrent_backward_weights(
    x: In, hidden: In, gates: In, dw: Update, du: Update, db: Update, scratch: Scratch, geometry: InLong, rows: Live,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dw = sum of x dgates, du = sum of h_before dgates, db = sum of dgates, over all samples and steps.

    With a lookup, dw and the inputs' part of db are made elsewhere (`recurrent_lookup`).
    Shapes: x (rows, time, features), hidden (rows, steps, units), gates (time, rows, width), dw (features, inputs),
    du (units, recurrent), db (biases, inputs). Partition: panels of columns.
    """
    g = geometry
    states = shift(hidden, g[HIDDEN_AT])
    together, features, biases = g[INPUTS_AT] == 0, g[FEATURES], min(g[BIASES], 1)
    if g[LOOKUP] != 0:
        features, biases = 0, 0
    outputs, inputs = g[INPUTS], shift(gates, g[INPUTS_AT])
    panels = (outputs + tile_columns - 1) // tile_columns
    begin, end = first_of(panels, thread, threads) * tile_columns, last_of(panels, thread, threads) * tile_columns
    end, first = min(end, outputs), begin
    while first < end:
        columns = columns_together(first, end, g)
        multiply_columns(
            x, states, inputs, dw, du, db, 0, 0, outputs, features, g[UNITS] if together else 0, biases, first,
            columns, scratch, g, rows,
        )  # fmt: skip
        if not together:
            multiply_columns(
                x, states, gates, dw, du, db, outputs, g[TURN], outputs, 0, g[UNITS], g[BIASES] // 2, first, columns,
                scratch, g, rows,
            )  # fmt: skip
        first += columns
