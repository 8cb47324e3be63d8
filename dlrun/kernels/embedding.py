"""Kernels of tables of vectors that are looked up by whole numbers."""

from math import nan

from dlrun.kernels.chunks import clear
from dlrun.kernels.lang import (
    In,
    InDouble,
    InOut,
    Live,
    Out,
    OutInt,
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
    select,
    shift,
)


@helper
def id_of(value, count):
    """Return the id that a real stands for, or -1 where it isn't a whole number of [0, count)."""
    within = (value >= real(0)) & (value < real(count))
    id = int(select(within, value, real(0)))
    return select(within & (real(id) == value), id, -1)


@kernel
def embedding_forward(
    ids: In, table: In, y: Out, rows: Live, places: Size, count: Size, width: Size, thread: Thread, threads: Threads
) -> None:
    """y[p] = table[ids[p]], or NaN where that is no row of the table.

    NaN rather than a status: it needs no barrier, reaches the loss, and the loss's check stops the step.
    Shapes: ids (rows, places), table (count, width), y (rows, places, width). Partition: samples.
    """
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        id = id_of(ids[p], count)
        out = shift(y, p * width)
        if id >= 0:
            row = shift(table, id * width)
            for i in range(width):
                out[i] = row[i]
        else:
            for i in range(width):
                out[i] = real(nan)


@kernel
def mask_of_ids(ids: In, mask: Out, rows: Live, places: Size, thread: Thread, threads: Threads) -> None:
    """mask = 0 where the id is 0, else 1. Shapes: ids, mask (rows, places). Partition: samples."""
    zero, one = real(0), real(1)
    for p in range(first_of(rows, thread, threads) * places, last_of(rows, thread, threads) * places):
        mask[p] = select(ids[p] == zero, zero, one)


@helper
def link_places(ids, first_places, next_places, first, last, places, count):
    """Make a list of the places of each id of [first, last), in their order: the first, then the next of each."""
    for id in range(first, last):
        first_places[id] = -1
    for back in range(places):
        p = places - 1 - back
        id = id_of(ids[p], count)
        if id >= first and id < last:
            next_places[p] = first_places[id]
            first_places[id] = p


@helper
def add_places_of(id, dy, first_places, next_places, total, width):
    """total += sum of dy[p] over the places of an id."""
    p = int(first_places[id])
    while p >= 0:
        row = shift(dy, p * width)
        for i in range(width):
            total[i] += row[i]
        p = int(next_places[p])


@kernel
def embedding_backward(
    ids: In, dy: In, gradient: Update, first_places: OutInt, next_places: OutInt, scratch: Scratch, rows: Live,
    places: Size, count: Size, width: Size, block: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """gradient[id] = sum of dy[p] over the places p with this id, in their order; `block` rows are handed on at a time.

    Rows whose id doesn't occur get zeros: an optimizer with state moves them nevertheless.
    Each thread links the places of its own rows of the table into a list for each id (`first_places`, `next_places`),
    from the last place to the first, and walks them. Nothing is shared, so no barrier is needed in between.
    Shapes: ids (rows, places), dy (rows, places, width), first_places (count), next_places (rows, places),
    scratch (block, width). Partition: rows of the table.
    """
    blocks = (count + block - 1) // block
    first, last = first_of(blocks, thread, threads) * block, min(count, last_of(blocks, thread, threads) * block)
    link_places(ids, first_places, next_places, first, last, rows * places, count)
    for start in range(first, last, block):
        here = min(block, last - start)
        clear(scratch, here * width)
        for r in range(here):
            add_places_of(start + r, dy, first_places, next_places, shift(scratch, r * width), width)
        apply_update(gradient, scratch, start * width, here * width)


@kernel
def embedding_descend(
    ids: In, dy: In, table: InOut, scalars: InDouble, first_places: OutInt, next_places: OutInt, scratch: Scratch,
    rows: Live, places: Size, count: Size, width: Size, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """table[id] -= rate * sum of dy[p] over the places p with this id; rows whose id doesn't occur aren't touched.

    The rate is scalars[0]. Shapes: as embedding_backward; table (count, width), scratch (width).
    Partition: rows of the table.
    """
    rate = real(scalars[0])
    first, last = first_of(count, thread, threads), last_of(count, thread, threads)
    link_places(ids, first_places, next_places, first, last, rows * places, count)
    for id in range(first, last):
        if first_places[id] >= 0:
            clear(scratch, width)
            add_places_of(id, dy, first_places, next_places, scratch, width)
            row = shift(table, id * width)
            for i in range(width):
                row[i] -= rate * scratch[i]
