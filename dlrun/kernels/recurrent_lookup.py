"""A recurrent layer over the vectors of an embedding, which multiplies the table with its weights, not each position.

Where ids are fewer than positions, the same products are made again and again. Here the gates' inputs are projected
for each id once; on the way back the gates' gradients are summed for each id, and only then multiplied. Names as in
`recurrent`; ids are reals, table (vocabulary, features), projected (vocabulary + 1, width), sums (vocabulary, inputs).
"""

from math import nan

from dlrun.kernels.chunks import clear
from dlrun.kernels.dense_sparse import columns_ahead
from dlrun.kernels.embedding import id_of
from dlrun.kernels.entries import get, put
from dlrun.kernels.gather import LINE, fetch_row
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
    address,
    apply_update,
    first_of,
    helper,
    helper_apart,
    int32,
    kernel,
    last_of,
    listed_row,
    pointer_to_int32,
    real,
    shift,
    tile_columns,
)
from dlrun.kernels.products import NO_LIMIT, tiles
from dlrun.kernels.recurrent import (
    APART,
    BIASES,
    FEATURES,
    GATE_ROW,
    GATE_STEP,
    INPUTS,
    INPUTS_AT,
    LOOKUP,
    TIME,
    WIDTH,
    at_column,
)
from dlrun.kernels.recurrent_gradients import COLUMNS, SCRATCH, columns_together, multiply_columns
from dlrun.kernels.target import MOST_COLUMNS

IDS = 24
"""Ids whose vectors are multiplied with all panels of weights before the next ones: they stay in L2."""
AHEAD = 12
"""Places whose gates are asked for ahead."""
CACHED = 1 << 22
"""Reals of gates at most that are summed id by id: from memory, they come faster in their order."""
FACTORS = LINE + COLUMNS
"""Reals of a 1 and of zeros, each from a line of its own."""


def lookup_scratch(ids: int, places: int) -> int:
    """Return the reals that lookup_backward_weights needs for each thread, for so many ids at so many places."""
    return SCRATCH + MOST_COLUMNS + FACTORS + ids + 1 + 2 * places + AHEAD


@kernel
def lookup_project(
    table: In, w: In, bias: In, projected: Out, geometry: InLong, thread: Thread, threads: Threads
) -> None:
    """projected[id] = bias + table[id] w, at the columns that inputs feed; the bias alone at those before them.

    The last row is NaN, for what is no id. Shapes: table (vocabulary, features), w packed in panels, bias (width),
    projected (vocabulary + 1, width). Partition: blocks of ids.
    """
    g = geometry
    features, width, ids = g[FEATURES], g[WIDTH], g[LOOKUP]
    blocks = (ids + IDS - 1) // IDS
    for block in range(first_of(blocks, thread, threads), last_of(blocks, thread, threads)):
        first, end = block * IDS, min((block + 1) * IDS, ids)
        for n in range(0, g[INPUTS], tile_columns):
            columns, at = min(tile_columns, g[INPUTS] - n), g[INPUTS_AT] + n
            tiles(
                shift(table, first * features), features, 1, 0, shift(w, n * features), tile_columns, 0,
                shift(bias, at), 0, shift(projected, first * width + at), width, features, 1, end - first, columns,
                real(NO_LIMIT),
            )  # fmt: skip
        for id in range(first, end):
            for n in range(g[INPUTS_AT]):
                projected[id * width + n] = bias[n]
    if thread == 0:
        for n in range(width):
            projected[ids * width + n] = real(nan)


@helper_apart
def find_ids(ids, numbers, count, vocabulary):
    """numbers[p] = id_of(ids[p]), many at a time."""
    for p in range(count):
        numbers[p] = int32(id_of(ids[p], vocabulary))


@helper
def list_by_id(ids, ends, places, numbers, g, rows):
    """List the rows of gates at which each id stands, step by step: they end at ends[id], where the next's begin.

    `numbers` (rows, time) is room for the ids as whole numbers.
    """
    time, step = g[TIME], g[GATE_STEP] // g[GATE_ROW]
    for id in range(g[LOOKUP] + 1):
        ends[id] = int32(0)
    find_ids(ids, numbers, rows * time, g[LOOKUP])
    for p in range(rows * time):
        if numbers[p] >= 0:
            ends[numbers[p] + 1] += int32(1)
    for id in range(g[LOOKUP]):
        ends[id + 1] += ends[id]
    for position in range(time):
        for r in range(rows):
            id = numbers[r * time + position]
            if id >= 0:
                places[ends[id]] = int32(position * step + r)
                ends[id] += int32(1)


@helper
def sum_listed(gates, sums, ends, places, factors, columns, g):
    """sums[id, n] = sum over the listed places of this id of gates[place, n], for columns that lie side by side.

    `factors` holds a 1, by which gates are multiplied, and zeros, to which they are added.
    """
    begin = 0
    for id in range(g[LOOKUP]):
        out, end = shift(sums, id * g[INPUTS]), ends[id]
        if begin == end:
            clear(out, columns)
            continue
        for k in range(begin + AHEAD, end + AHEAD):
            fetch_row(shift(gates, places[k] * g[GATE_ROW]), columns)
        n = 0
        while n < columns:
            ahead = columns_ahead(columns - n)
            listed_row(
                factors, 0, shift(gates, n), g[GATE_ROW], shift(places, begin), shift(factors, LINE), shift(out, n),
                end - begin, ahead, real(NO_LIMIT),
            )  # fmt: skip
            n += ahead
        begin = end


@helper
def sum_in_order(ids, gates, sums, columns, g, rows):
    """The same, with the same bits, from gates as they lie, where they fit in no cache."""
    for id in range(g[LOOKUP]):
        clear(shift(sums, id * g[INPUTS]), columns)
    for position in range(g[TIME]):
        for r in range(rows):
            id = id_of(ids[r * g[TIME] + position], g[LOOKUP])
            if id >= 0:
                gate, out = shift(gates, r * g[GATE_ROW] + position * g[GATE_STEP]), shift(sums, id * g[INPUTS])
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
    factors = shift(scratch, SCRATCH + MOST_COLUMNS)
    lists = pointer_to_int32(address(shift(factors, FACTORS)))
    ends, places = lists, shift(lists, geometry[LOOKUP] + 1)
    numbers = shift(places, geometry[TIME] * rows + AHEAD)
    clear(factors, FACTORS)
    factors[0] = real(1)
    is_listed = geometry[TIME] * geometry[GATE_STEP] <= CACHED
    if is_listed:
        list_by_id(ids, ends, places, numbers, geometry, rows)
    first = begin
    while first < end:
        columns = columns_together(first, end, geometry)
        here, out = at_column(inputs, first, geometry[APART], geometry), shift(sums, first)
        if is_listed:
            sum_listed(here, out, ends, places, factors, columns, geometry)
        else:
            sum_in_order(ids, here, out, columns, geometry, rows)
        multiply_columns(
            table, table, sums, dw, dw, db, 0, 0, outputs, geometry[FEATURES], 0, min(geometry[BIASES], 1),
            first, columns, scratch, table_geometry, 1,
        )  # fmt: skip
        first += columns


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
            columns, out = min(tile_columns, features - i), shift(scratch, i)
            tiles(
                shift(sums, first * depth), depth, 1, 0, shift(w, i * depth), tile_columns, 0, zeros, 0, out, features,
                depth, 1, count, columns, real(NO_LIMIT),
            )  # fmt: skip
            if both != 0:
                tiles(
                    shift(other_sums, first * depth), depth, 1, 0, shift(other_w, i * depth), tile_columns, 0,
                    out, features, out, features, depth, 1, count, columns, real(NO_LIMIT),
                )  # fmt: skip
        apply_update(gradient, scratch, first * features, count * features)
