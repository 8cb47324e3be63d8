"""The gradients of a recurrent layer's input and weights, from those of its gates; names as in `recurrent`.

All time steps of all samples are one sum: dw = xᵀ · dgates, du = h_beforeᵀ · dgates, and a bias's gradient is the row of
weights whose input is always 1. The sum runs over samples, and over a sample's steps in the order of processing, in
blocks that are packed in panels: so its bits don't depend on the threads, which share out the rows of the weights.
"""

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
    tile,
    tile_columns,
    tile_rows,
)
from dlrun.kernels.recurrent import (
    BACKWARDS,
    BIASES,
    FEATURES,
    HIDDEN_AT,
    HIDDEN_ROW,
    HIDDEN_STEP,
    INPUTS,
    INPUTS_AT,
    NO_LIMIT,
    RECURRENT,
    TIME,
    TURN,
    UNITS,
    WIDTH,
)

POSITIONS = 48
"""Positions whose gates are multiplied with all panels of weights before the next ones: they stay in L2."""
DEPTH = 128
"""Positions that are summed at a time (whole samples if they are shorter): both factors of a panel stay in L1."""
COLUMNS = 256
"""Columns of the weights' gradient made at a time."""
SUMS = 32768
"""Sums held at a time: they stay in L2."""
SCRATCH = DEPTH * COLUMNS + SUMS
"""Reals that the weights' gradient needs for each thread, besides a tile's edges."""


@kernel
def recurrent_backward_input(
    gates: In, w: In, start: In, dx: Out, accumulates: Size, geometry: InLong, rows: Live, thread: Thread,
    threads: Threads,
) -> None:  # fmt: skip
    """dx[p, i] = sum_n dgates[p, n] w[i, n], added to `start` if it accumulates: the other direction's.

    Shapes: gates (rows, time, width), w (panels, gates, tile_columns): packed_transposed, start (zeros, or dx),
    dx (rows, time, features). Partition: samples.
    """
    time, features, width, depth = geometry[TIME], geometry[FEATURES], geometry[WIDTH], geometry[INPUTS]
    first, last = first_of(rows, thread, threads) * time, last_of(rows, thread, threads) * time
    start_row = features if accumulates != 0 else 0
    for block in range(first, last, POSITIONS):
        end = min(block + POSITIONS, last)
        for i in range(0, features, tile_columns):
            columns, panel = min(tile_columns, features - i), shift(w, i * depth)
            for p in range(block, end, tile_rows):
                here = p * features + i if accumulates != 0 else 0
                tile(
                    shift(gates, p * width + geometry[INPUTS_AT]), width, 1, 0, panel, tile_columns, 0,
                    shift(start, here), start_row, shift(dx, p * features + i), features,
                    depth, 1, min(tile_rows, end - p), columns, real(NO_LIMIT),
                )  # fmt: skip


@helper
def pack_gates(gates, packed, first_row, samples, first_step, steps, columns, g):
    """Copy columns of the gates' gradients of some samples' steps to packed (panels, samples * steps, tile_columns)."""
    time, width, depth = g[TIME], g[WIDTH], samples * steps
    for r in range(samples):
        for s in range(steps):
            step = first_step + s
            position = time - 1 - step if g[BACKWARDS] != 0 else step
            here = shift(gates, ((first_row + r) * time + position) * width)
            out = shift(packed, (r * steps + s) * tile_columns)
            for n in range(0, columns, tile_columns):
                source, target = shift(here, n), shift(out, n * depth)
                for j in range(tile_columns):
                    target[j] = source[j]


@helper
def hand_on(update, sums, at, row, first, count, turn, outputs):
    """Pass a row's gradients of the gates [first, first + count) on, to where the variable has them."""
    whole = outputs - turn
    early = min(max(whole - first, 0), count)
    if early > 0:
        apply_update(update, sums, at + row * outputs + first + turn, early)
    if early < count:
        apply_update(update, shift(sums, early), at + row * outputs + first + early - whole, count - early)


@helper
def multiply_part(
    a, a_unit, a_step, a_row, gates, update, at, turn, outputs, first_step, first, last, scratch, g, rows
):  # fmt: skip
    """gradient[i, n] = sum over samples and steps of a[row, step, i] * gates[row, step, n], for i from first to last.

    a's entries are `a_unit` apart, its steps `a_step`, its samples `a_row`; it begins at the step that belongs to the
    gates' `first_step`. The variable's columns are the gates', turned by `turn`; its entries begin at `at`.
    """
    time = g[TIME]
    samples_at_once = max(1, DEPTH // time)
    steps_at_once = min(DEPTH, time)
    packed, sums = scratch, shift(scratch, DEPTH * COLUMNS)
    for first_column in range(0, outputs, COLUMNS):
        columns = min(COLUMNS, outputs - first_column)
        at_once = max(1, SUMS // columns // tile_rows) * tile_rows
        for block in range(first, last, at_once):
            units = min(at_once, last - block)
            for i in range(units * columns):
                sums[i] = real(0)
            for row in range(0, rows, samples_at_once):
                samples = min(samples_at_once, rows - row)
                for step in range(first_step, time, steps_at_once):
                    steps = min(steps_at_once, time - step)
                    pack_gates(shift(gates, first_column), packed, row, samples, step, steps, columns, g)
                    here = shift(a, row * a_row + (step - first_step) * a_step + block * a_unit)
                    for n in range(0, columns, tile_columns):
                        panel = shift(packed, n * samples * steps)
                        for i in range(0, units, tile_rows):
                            out = shift(sums, i * columns + n)
                            tile(
                                shift(here, i * a_unit), a_unit, a_step, a_row, panel, tile_columns,
                                steps * tile_columns, out, columns, out, columns, steps, samples,
                                min(tile_rows, units - i), min(tile_columns, columns - n), real(NO_LIMIT),
                            )  # fmt: skip
            if columns == outputs and turn == 0:
                apply_update(update, sums, at + block * outputs, units * columns)
            else:
                for i in range(units):
                    hand_on(update, shift(sums, i * columns), at, block + i, first_column, columns, turn, outputs)


@kernel
def recurrent_backward_weights(
    x: In, hidden: In, gates: In, one: In, dw: Update, du: Update, db: Update, scratch: Scratch, geometry: InLong,
    rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """dw = sum of x dgates, du = sum of h_before dgates, db = sum of dgates, over all samples and steps.

    Shapes: x (rows, time, features), hidden (rows, steps, units), gates (rows, time, width), one (1): 1,
    dw (features, inputs), du (units, recurrent), db (biases * inputs). Partition: rows of the weights, by tiles.
    """
    g = geometry
    features, units = g[FEATURES], g[UNITS]
    inputs = shift(gates, g[INPUTS_AT])
    x_tiles, h_tiles = (features + tile_rows - 1) // tile_rows, (units + tile_rows - 1) // tile_rows
    tiles = x_tiles + h_tiles + g[BIASES]
    first, last = first_of(tiles, thread, threads), last_of(tiles, thread, threads)
    begin, end = min(first * tile_rows, features), min(last * tile_rows, features)
    if begin < end:
        x_step, x_first = features, 0
        if g[BACKWARDS] != 0:
            x_step, x_first = -features, (g[TIME] - 1) * features
        multiply_part(
            shift(x, x_first), 1, x_step, g[TIME] * features, inputs, dw, 0, 0, g[INPUTS], 0, begin, end,
            scratch, g, rows,
        )  # fmt: skip
    first, last = first - x_tiles, last - x_tiles
    begin, end = min(max(first, 0) * tile_rows, units), min(max(last, 0) * tile_rows, units)
    if begin < end:
        multiply_part(
            shift(hidden, g[HIDDEN_AT]), 1, g[HIDDEN_STEP], g[HIDDEN_ROW], gates, du, 0, g[TURN], g[RECURRENT], 1, begin, end,
            scratch, g, rows,
        )  # fmt: skip
    first, last = max(first - h_tiles, 0), max(last - h_tiles, 0)
    if first == 0 and last > 0:
        multiply_part(one, 0, 0, 0, inputs, db, 0, 0, g[INPUTS], 0, 0, 1, scratch, g, rows)
    if first <= 1 and last > 1:
        multiply_part(one, 0, 0, 0, gates, db, g[INPUTS], g[TURN], g[RECURRENT], 0, 0, 1, scratch, g, rows)
