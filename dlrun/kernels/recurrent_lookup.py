"""A recurrent layer over the vectors of an embedding, which multiplies the table with its weights, not each position.

Where ids are fewer than positions, the same products are made again and again. Here the gates' inputs are projected
for each id once; on the way back the gates' gradients are summed for each id, and only then multiplied. Names as in
`recurrent`; ids are reals, table (vocabulary, features), projected (vocabulary, width), sums (vocabulary, inputs).
"""

from dlrun.kernels.embedding import id_of
from dlrun.kernels.entries import get, put
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
)
from dlrun.kernels.products import NO_LIMIT, rows_ahead
from dlrun.kernels.recurrent import BIASES, FEATURES, GATE_ROW, GATE_STEP, INPUTS, INPUTS_AT, LOOKUP, TIME, WIDTH
from dlrun.kernels.recurrent_gradients import COLUMNS, multiply_columns

IDS = 24
"""Ids whose vectors are multiplied with all panels of weights before the next ones: they stay in L2."""


@kernel
def lookup_project(
    table: In, w: In, bias: In, projected: Out, geometry: InLong, thread: Thread, threads: Threads
) -> None:
    """projected[id] = bias + table[id] w, at the columns that inputs feed; the bias alone at those before them.

    Shapes: table (vocabulary, features), w packed in panels, bias (width), projected (vocabulary, width).
    Partition: blocks of ids.
    """
    g = geometry
    features, width, ids = g[FEATURES], g[WIDTH], g[LOOKUP]
    blocks = (ids + IDS - 1) // IDS
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        first, end = block * IDS, min((block + 1) * IDS, ids)
        for n in range(0, g[INPUTS], tile_columns):
            columns, at = min(tile_columns, g[INPUTS] - n), g[INPUTS_AT] + n
            id = first
            while id < end:
                ahead = rows_ahead(end - id)
                tile(
                    shift(table, id * features), features, 1, 0, shift(w, n * features), tile_columns, 0,
                    shift(bias, at), 0, shift(projected, id * width + at), width, features, 1, ahead, columns,
                    real(NO_LIMIT),
                )  # fmt: skip
                id += ahead
        for id in range(first, end):
            for n in range(g[INPUTS_AT]):
                projected[id * width + n] = bias[n]


@helper
def sum_by_id(ids, gates, sums, first, columns, g, rows):
    """sums[id, n] = sum over the positions with this id, step by step, of gates[p, n], for a range of columns."""
    time, outputs = g[TIME], g[INPUTS]
    for id in range(g[LOOKUP]):
        out = shift(sums, id * outputs + first)
        for n in range(columns):
            out[n] = real(0)
    for position in range(time):
        for r in range(rows):
            id = id_of(ids[r * time + position], g[LOOKUP])
            if id >= 0:
                gate = shift(gates, r * g[GATE_ROW] + position * g[GATE_STEP] + first)
                out = shift(sums, id * outputs + first)
                for n in range(columns):
                    put(out, n, get(out, n) + get(gate, n))


@kernel
def lookup_backward_weights(
    ids: In, table: In, gates: In, sums: Out, dw: Update, db: Update, scratch: Scratch, table_geometry: InLong,
    geometry: InLong, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """sums = dgates summed by id, dw = tableᵀ sums, db = the sum of sums.

    Shapes: ids (rows, time), table (vocabulary, features), gates (time, rows, width), sums
    (vocabulary, inputs), dw (features, inputs), db (inputs). Partition: panels of columns.
    """
    outputs, inputs = geometry[INPUTS], shift(gates, geometry[INPUTS_AT])
    panels = (outputs + tile_columns - 1) // tile_columns
    begin, end = first_of(panels, thread, threads) * tile_columns, last_of(panels, thread, threads) * tile_columns
    end = min(end, outputs)
    for first in range(begin, end, COLUMNS):
        columns = min(COLUMNS, end - first)
        sum_by_id(ids, inputs, sums, first, columns, geometry, rows)
        multiply_columns(
            table, table, sums, dw, dw, db, 0, 0, outputs, geometry[FEATURES], 0, min(geometry[BIASES], 1),
            first, columns, scratch, table_geometry, 1,
        )  # fmt: skip


@kernel
def lookup_backward_table(
    sums: In, w: In, other_sums: In, other_w: In, zeros: In, gradient: Update, both: Size, scratch: Scratch,
    geometry: InLong, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """gradient[id] = sums[id] wᵀ, and the other direction's if there are both.

    Shapes: sums (vocabulary, inputs), w packed transposed, gradient (vocabulary, features). Partition: blocks of ids.
    """
    features, depth, ids = geometry[FEATURES], geometry[INPUTS], geometry[LOOKUP]
    blocks = (ids + IDS - 1) // IDS
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        first = block * IDS
        count = min(IDS, ids - first)
        for i in range(0, features, tile_columns):
            columns, r = min(tile_columns, features - i), 0
            while r < count:
                ahead, out, here = rows_ahead(count - r), shift(scratch, r * features + i), (first + r) * depth
                tile(
                    shift(sums, here), depth, 1, 0, shift(w, i * depth), tile_columns, 0, zeros, 0, out, features,
                    depth, 1, ahead, columns, real(NO_LIMIT),
                )  # fmt: skip
                if both != 0:
                    tile(
                        shift(other_sums, here), depth, 1, 0, shift(other_w, i * depth), tile_columns, 0,
                        out, features, out, features, depth, 1, ahead, columns, real(NO_LIMIT),
                    )  # fmt: skip
                r += ahead
        apply_update(gradient, scratch, first * features, count * features)
