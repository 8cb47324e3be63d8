"""A recurrent layer's next step, from the state that was kept to the one that is kept; names as in `recurrent`."""

from dlrun.kernels.entries import copy_entries
from dlrun.kernels.lang import first_of, helper, last_of, real, shift
from dlrun.kernels.recurrent import (
    GATE_ROW,
    HAS_MASK,
    LOOKUP,
    RECURRENT,
    UNITS,
    WIDTH,
    add_product,
    place_of,
    project_inputs,
)


@helper
def run_position(cell, x, w, u, bias, mask, gates, state, hidden, y, scratch, g, rows, thread, threads):
    """Take this thread's samples one step further: what `run_forward` makes of the position, to the same bits.

    Shapes: x (rows, features), or ids (rows) with a LOOKUP, mask (rows), state, hidden and y (rows, units), scratch
    (2, width). At padding the state stays.
    """
    units, width = g[UNITS], g[WIDTH]
    for row in range(first_of(rows, thread, threads), last_of(rows, thread, threads)):
        c, h, z, active = shift(state, row * units), shift(hidden, row * units), scratch, shift(scratch, width)
        if g[LOOKUP] != 0:
            copy_entries(shift(w, place_of(x[row], g)), z, width)
        else:
            project_inputs(x, w, bias, gates, row, 1, 0, 1, g)
            copy_entries(shift(gates, row * g[GATE_ROW]), z, width)
        add_product(h, units, 0, 1, units, u, z, width, 1, g[RECURRENT])
        if g[HAS_MASK] == 0 or mask[row] != real(0):
            cell(z, active, 0, c, h, units)
        copy_entries(h, shift(y, row * units), units)
