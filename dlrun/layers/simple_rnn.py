"""The plain recurrent layer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

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
    select,
    shift,
)
from dlrun.kernels.recurrent import GRADIENT_AT, HIDDEN_AT, run_backward, run_forward, tanh
from dlrun.kernels.recurrent_position import run_position
from dlrun.layers.recurrent import Recurrent
from dlrun.layers.recurrent_way import Cell


class SimpleRNN(Recurrent):
    """The plain recurrent layer: each state is the activation of the input's and the last state's weighted sums.

    J. Elman, Finding structure in time (Cognitive Science 1990).
    """

    type: Literal["simple_rnn"] = "simple_rnn"
    activation: Literal["tanh", "relu"] = "tanh"
    """The function of the state."""

    cell: ClassVar[Cell] = Cell(gates=1, width=1)

    def cell_arguments(self) -> dict[str, Any]:
        """Return which function it is."""
        return {"is_relu": int(self.activation == "relu")}


@helper_apart
def tanh_cell(z, gates, apart, c, h, units):  # type: ignore[no-untyped-def]
    """h = tanh(z)."""
    for j in range(units):
        y = tanh(get(z, j))
        put(gates, j, y)
        put(h, j, y)


@helper_apart
def tanh_cell_backward(gates, apart, c_before, h_before, h, dh, dc, units):  # type: ignore[no-untyped-def]
    """gates = dh (1 - h²); nothing of dh passes by the weights."""
    for j in range(units):
        y, d = get(gates, j), get(dh, j)
        put(gates, j, d * (real(1) - y * y))
        put(dh, j, real(0))


@helper_apart
def relu_cell(z, gates, apart, c, h, units):  # type: ignore[no-untyped-def]
    """h = max(z, 0)."""
    zero = real(0)
    for j in range(units):
        v = get(z, j)
        y = select(v < zero, zero, v)
        put(gates, j, y)
        put(h, j, y)


@helper_apart
def relu_cell_backward(gates, apart, c_before, h_before, h, dh, dc, units):  # type: ignore[no-untyped-def]
    """gates = dh where h > 0, else 0; nothing of dh passes by the weights."""
    zero = real(0)
    for j in range(units):
        y, d = get(gates, j), get(dh, j)
        put(gates, j, select(y > zero, d, zero))
        put(dh, j, zero)


@kernel
def simple_rnn_forward(
    x: In, w: In, u: In, bias: In, mask: In, gates: Out, hidden: Out, scratch: Scratch, is_relu: Size,
    geometry: InLong, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """h = activation(x w + h_before u + bias), step by step.

    Shapes: x (rows, time, features), w and u packed in panels, bias (units), mask (rows, time), gates
    (rows, kept, units), hidden (rows, steps, units), scratch (PLACES + (STRIP + 1) * 3 units).
    Saves for backward: gates, hidden. Partition: samples.
    """
    states = shift(hidden, geometry[HIDDEN_AT])
    if is_relu != 0:
        run_forward(
            relu_cell, x, w, u, bias, mask, gates, states, states, scratch, geometry, rows, thread, threads
        )  # fmt: skip
    else:
        run_forward(
            tanh_cell, x, w, u, bias, mask, gates, states, states, scratch, geometry, rows, thread, threads
        )  # fmt: skip


@kernel
def simple_rnn_backward(
    u: In, mask: In, zeros: In, gates: InOut, hidden: In, dy: In, scratch: Scratch, is_relu: Size, geometry: InLong,
    rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """gates = their gradients, step by step from the last.

    Shapes as in simple_rnn_forward; u packed transposed, dy like the output. Partition: samples.
    """
    states, given = shift(hidden, geometry[HIDDEN_AT]), shift(dy, geometry[GRADIENT_AT])
    if is_relu != 0:
        run_backward(
            relu_cell_backward, u, mask, zeros, gates, states, states, given, scratch, geometry, rows, thread, threads
        )
    else:
        run_backward(
            tanh_cell_backward, u, mask, zeros, gates, states, states, given, scratch, geometry, rows, thread, threads
        )


@kernel
def simple_rnn_position(
    x: In, w: In, u: In, bias: In, mask: In, gates: Out, state: InOut, hidden: InOut, y: Out, scratch: Scratch,
    is_relu: Size, geometry: InLong, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """hidden = activation(x w + hidden u + bias), y = hidden, for the next position: see `run_position`.

    Partition: samples.
    """
    if is_relu != 0:
        run_position(relu_cell, x, w, u, bias, mask, gates, state, hidden, y, scratch, geometry, rows, thread, threads)
    else:
        run_position(tanh_cell, x, w, u, bias, mask, gates, state, hidden, y, scratch, geometry, rows, thread, threads)


SimpleRNN.forward_kernel = simple_rnn_forward
SimpleRNN.backward_kernel = simple_rnn_backward
SimpleRNN.position_kernel = simple_rnn_position
