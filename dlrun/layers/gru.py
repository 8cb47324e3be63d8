"""Gated recurrent units."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    InLong,
    InOut,
    Live,
    Out,
    Scratch,
    Size,
    Thread,
    Threads,
    helper_apart,
    kernel,
    real,
    shift,
)
from dlrun.kernels.recurrent import GRADIENT_AT, HIDDEN_AT, run_backward, run_forward, sigmoid, tanh
from dlrun.kernels.recurrent_position import run_position
from dlrun.layers.recurrent import Recurrent
from dlrun.layers.recurrent_way import Cell, Direction
from dlrun.plan import Buffer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class GRU(Recurrent):
    """Gated recurrent units: a state that an update gate keeps, or moves to a candidate.

    K. Cho et al. (EMNLP 2014), with the reset gate after the product, as in Keras and PyTorch: candidate =
    tanh(x w + b + reset * (h u + b')). Gates in the order update, reset, candidate.
    """

    type: Literal["gru"] = "gru"
    activation: Literal["tanh"] = "tanh"
    """The function of the candidate."""
    recurrent_activation: Literal["sigmoid"] = "sigmoid"
    """The function of the gates."""
    reset_after: Literal[True] = True
    """Whether the reset gate acts after the product with the state's weights, and so has a bias of its own."""

    cell: ClassVar[Cell] = Cell(gates=3, width=4, inputs_at=1, turn=2, bias_rows=2)

    def gate_bias(self, emit: Emitter, direction: Direction) -> Buffer:
        """Emit the biases as the gates lie in memory, those of inputs and state added up where the gates are."""
        if not self.use_bias:
            return super().gate_bias(emit, direction)
        bias = emit.shared(f"{direction.prefix}gate_bias", 4 * self.units)
        given = emit.variable(f"{direction.prefix}bias")
        emit.call(gru_bias, partition="one", bias=given, gates=bias, units=self.units)
        return bias


@kernel
def gru_bias(bias: In, gates: Out, units: Size, thread: Thread) -> None:
    """gates = [b' of the candidate, b + b' of the update gate, of the reset gate, b of the candidate].

    Shapes: bias (2, 3 units): b and b'; gates (4 units). Partition: one.
    """
    if thread == 0:
        recurrent, summed = shift(bias, 3 * units), shift(gates, units)
        for j in range(units):
            gates[j] = recurrent[2 * units + j]
        for j in range(2 * units):
            summed[j] = bias[j] + recurrent[j]
        for j in range(2 * units, 3 * units):
            summed[j] = bias[j]


@helper_apart
def gru_cell(z, gates, apart, c, h, units):  # type: ignore[no-untyped-def]
    """h = k h + (1 - k) tanh(candidate + r recurrent), where z = [recurrent, update, reset, candidate],
    k = sigmoid(update), r = sigmoid(reset).
    """  # fmt: skip
    update, reset, candidate = shift(gates, units), shift(gates, 2 * units), shift(gates, 3 * units)
    z_update, z_reset, z_candidate = shift(z, units), shift(z, 2 * units), shift(z, 3 * units)
    for j in range(units):
        k, r, recurrent = sigmoid(get(z_update, j)), sigmoid(get(z_reset, j)), get(z, j)
        g = tanh(get(z_candidate, j) + r * recurrent)
        before = get(h, j)
        put(gates, j, recurrent)
        put(update, j, k)
        put(reset, j, r)
        put(candidate, j, g)
        put(h, j, g + k * (before - g))


@helper_apart
def gru_cell_backward(gates, apart, c_before, h_before, h, dh, dc, units):  # type: ignore[no-untyped-def]
    """dcandidate = dh (1 - k) (1 - g²), drecurrent = r dcandidate, dupdate = dh (h_before - g) k (1 - k),
    dreset = dcandidate recurrent r (1 - r); k dh passes by the weights.
    """  # fmt: skip
    update, reset, candidate, one = shift(gates, units), shift(gates, 2 * units), shift(gates, 3 * units), real(1)
    for j in range(units):
        k, r, g, d = get(update, j), get(reset, j), get(candidate, j), get(dh, j)
        inner = d * (one - k) * (one - g * g)
        recurrent, before = get(gates, j), get(h_before, j)
        put(gates, j, inner * r)
        put(update, j, d * (before - g) * k * (one - k))
        put(reset, j, inner * recurrent * r * (one - r))
        put(candidate, j, inner)
        put(dh, j, d * k)


@kernel
def gru_forward(
    x: In, w: In, u: In, bias: In, mask: In, gates: Out, hidden: Out, scratch: Scratch, geometry: InLong, rows: Live,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """h = cell(x w + b, h_before u + b', h_before), step by step.

    Shapes: x (rows, time, features), w and u packed in panels, bias (4 units), mask (rows, time), gates
    (rows, kept, 4 units), hidden (rows, steps, units), scratch (PLACES + (STRIP + 1) * 6 units).
    Saves for backward: gates, hidden. Partition: samples.
    """
    states = shift(hidden, geometry[HIDDEN_AT])
    run_forward(gru_cell, x, w, u, bias, mask, gates, states, states, scratch, geometry, rows, thread, threads)


@kernel
def gru_backward(
    u: In, mask: In, zeros: In, gates: InOut, hidden: In, dy: In, scratch: Scratch, geometry: InLong, rows: Live,
    thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """gates = their gradients, step by step from the last.

    Shapes as in gru_forward; u packed transposed, dy like the output. Partition: samples.
    """
    states = shift(hidden, geometry[HIDDEN_AT])
    run_backward(
        gru_cell_backward, u, mask, zeros, gates, states, states, shift(dy, geometry[GRADIENT_AT]), scratch, geometry,
        rows, thread, threads,
    )  # fmt: skip


@kernel
def gru_position(
    x: In, w: In, u: In, bias: In, mask: In, gates: Out, state: InOut, hidden: InOut, y: Out, scratch: Scratch,
    geometry: InLong, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """hidden, state = cell(x w + hidden u + bias, state), y = hidden, for the next position: see `run_position`.

    Partition: samples.
    """
    run_position(gru_cell, x, w, u, bias, mask, gates, state, hidden, y, scratch, geometry, rows, thread, threads)


GRU.forward_kernel = gru_forward
GRU.backward_kernel = gru_backward
GRU.position_kernel = gru_position
