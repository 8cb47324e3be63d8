"""Long short-term memory."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from dlrun.initializers import Initializer
from dlrun.kernels.entries import get, put
from dlrun.kernels.lang import (
    In,
    InLong,
    InOut,
    Live,
    Out,
    Scratch,
    Thread,
    Threads,
    helper_apart,
    kernel,
    real,
    select,
    shift,
)
from dlrun.kernels.recurrent import (
    GRADIENT_AT,
    HIDDEN_AT,
    STATE_STEP,
    STATEFUL,
    run_backward,
    run_forward,
    sigmoid,
    tanh,
)
from dlrun.kernels.recurrent_position import run_position
from dlrun.layers.recurrent import Recurrent
from dlrun.layers.recurrent_way import Cell
from dlrun.layers.variable import Variable


class UnitForgetBias(Initializer):
    """Ones for the forget gate, which so begins open: R. Jozefowicz, W. Zaremba & I. Sutskever (ICML 2015)."""

    type: Literal["unit_forget_bias"] = "unit_forget_bias"
    others: Initializer
    """How the other gates' biases start."""

    def draw(self, variable: Variable, generator: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the biases (4 units): of the input, forget, candidate and output gates."""
        values = self.others.draw(variable, generator).copy()
        units = variable.shape[0] // 4
        values[units : 2 * units] = 1
        return values


class LSTM(Recurrent):
    """Long short-term memory: a state that gates write to, keep, and read.

    S. Hochreiter & J. Schmidhuber (Neural Computation 1997), with the forget gate of F. Gers, J. Schmidhuber & F.
    Cummins (2000). Gates in the order input, forget, candidate, output, as in Keras and PyTorch.
    """

    type: Literal["lstm"] = "lstm"
    activation: Literal["tanh"] = "tanh"
    """The function of the candidate and of the state."""
    recurrent_activation: Literal["sigmoid"] = "sigmoid"
    """The function of the gates."""
    unit_forget_bias: bool = True
    """Whether the forget gate's bias starts at 1."""

    cell: ClassVar[Cell] = Cell(gates=4, width=4, has_state=True, has_halves=True)

    def starting_bias(self) -> Initializer:
        """Return the initializer, with the forget gate's ones."""
        return UnitForgetBias(others=self.bias_initializer) if self.unit_forget_bias else self.bias_initializer


@helper_apart
def lstm_cell(z, gates, apart, c, h, units):  # type: ignore[no-untyped-def]
    """c = f c + i g, h = o tanh(c), with i, f, o = sigmoid and g = tanh of z.

    In two loops: a round of one would wait for a tanh, and then for that of its result.
    """
    forget, candidate, out = shift(gates, units), shift(gates, 2 * units + apart), shift(gates, 3 * units + apart)
    z_forget, z_candidate, z_out = shift(z, units), shift(z, 2 * units), shift(z, 3 * units)
    for j in range(units):
        i, f, o = sigmoid(get(z, j)), sigmoid(get(z_forget, j)), sigmoid(get(z_out, j))
        g = tanh(get(z_candidate, j))
        state = f * get(c, j) + i * g
        put(gates, j, i)
        put(forget, j, f)
        put(candidate, j, g)
        put(out, j, o)
        put(c, j, state)
    for j in range(units):
        h[j] = out[j] * tanh(c[j])


LEAST = 1e-30
"""What an output gate is taken for that is 0, in float64 alone, when it divides: h is 0 then."""


@helper_apart
def lstm_cell_backward(gates, apart, c_before, h_before, h, dh, dc, units):  # type: ignore[no-untyped-def]
    """dc += dh o (1 - tanh² c); of dh nothing passes by the weights, of dc f dc does.

    di = dc g i (1 - i), df = dc c_before f (1 - f), dg = dc i (1 - g²), do = dh tanh(c) o (1 - o), and tanh c = h / o.
    """
    forget, candidate, out = shift(gates, units), shift(gates, 2 * units + apart), shift(gates, 3 * units + apart)
    one, least = real(1), real(LEAST)
    for j in range(units):
        i, f, g, o, d, y = get(gates, j), get(forget, j), get(candidate, j), get(out, j), get(dh, j), get(h, j)
        total = get(dc, j) + d * (o - y * (y / select(o > least, o, least)))
        written, kept = total * i, total * f
        put(gates, j, written * (g * (one - i)))
        put(forget, j, kept * (get(c_before, j) * (one - f)))
        put(candidate, j, written * (one - g * g))
        put(out, j, (d * y) * (one - o))
        put(dc, j, kept)
        put(dh, j, real(0))


@kernel
def lstm_forward(
    x: In, w: In, u: In, bias: In, mask: In, gates: Out, states: Out, hidden: Out, scratch: Scratch, geometry: InLong,
    rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """h, c = cell(x w + h_before u + bias, c_before), step by step.

    Shapes: x (rows, time, features), w and u packed in panels, bias (4 units), mask (rows, time), gates
    (rows, kept, 4 units), states and hidden (rows, steps, units), scratch (PLACES + (STRIP + 1) * 6 units).
    Saves for backward: gates, states, hidden. Partition: samples.
    """
    run_forward(
        lstm_cell, x, w, u, bias, mask, gates, shift(states, geometry[STATEFUL] * geometry[STATE_STEP]),
        shift(hidden, geometry[HIDDEN_AT]), scratch, geometry, rows, thread, threads,
    )  # fmt: skip


@kernel
def lstm_backward(
    u: In, mask: In, zeros: In, gates: InOut, states: In, hidden: In, dy: In, scratch: Scratch, geometry: InLong,
    rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """gates = their gradients, step by step from the last.

    Shapes as in lstm_forward; u packed transposed, dy like the output. Partition: samples.
    """
    run_backward(
        lstm_cell_backward, u, mask, zeros, gates, shift(states, geometry[STATEFUL] * geometry[STATE_STEP]),
        shift(hidden, geometry[HIDDEN_AT]), shift(dy, geometry[GRADIENT_AT]), scratch, geometry, rows, thread, threads,
    )  # fmt: skip


@kernel
def lstm_position(
    x: In, w: In, u: In, bias: In, mask: In, gates: Out, state: InOut, hidden: InOut, y: Out, scratch: Scratch,
    geometry: InLong, rows: Live, thread: Thread, threads: Threads,
) -> None:  # fmt: skip
    """hidden, state = cell(x w + hidden u + bias, state), y = hidden, for the next position: see `run_position`.

    Partition: samples.
    """
    run_position(lstm_cell, x, w, u, bias, mask, gates, state, hidden, y, scratch, geometry, rows, thread, threads)


LSTM.forward_kernel = lstm_forward
LSTM.backward_kernel = lstm_backward
LSTM.position_kernel = lstm_position
