"""One direction of a recurrent layer: its buffers, how kernels walk them, and the calls it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from dlrun.kernels.lang import Kernel
from dlrun.kernels.recurrent import (
    FEATURES,
    GATE_ROW,
    GATE_STEP,
    GEOMETRY,
    INPUTS,
    MIDDLE,
    PLACES,
    STEPS,
    STRIP,
    TIME,
    WIDTH,
    pack_panels,
    pack_panels_transposed,
)
from dlrun.kernels.recurrent_gradients import SCRATCH, recurrent_backward_input, recurrent_backward_weights
from dlrun.kernels.recurrent_lookup import (
    IDS,
    lookup_backward_table,
    lookup_backward_weights,
    lookup_project,
    lookup_scratch,
)
from dlrun.kernels.recurrent_outputs import copy_state, take_steps
from dlrun.kernels.target import MOST_COLUMNS, whole_panels
from dlrun.plan import Buffer, ScratchSize, Update

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter
    from dlrun.layers.recurrent import Recurrent


@dataclass(frozen=True)
class Cell:
    """How a cell's gates lie in memory, counted in blocks of `units` columns.

    A variable has `gates` blocks of columns. For each position memory has `width` blocks; those that inputs feed begin
    at `inputs_at`, those that the hidden state feeds at 0, where the variable's columns are turned by `turn`.
    """

    gates: int
    width: int
    inputs_at: int = 0
    turn: int = 0
    has_state: bool = False
    has_halves: bool = False
    """Whether the second half of its gates may lie apart from the first, where gates are kept for a way back."""
    bias_rows: int = 1
    """How many biases a gate has: one, or one for the inputs and one for the hidden state."""


@dataclass(frozen=True)
class Direction:
    """One way through time: the prefix of its names, and where its half of the output begins."""

    prefix: str
    is_backwards: bool
    at: int


class Way:
    """A direction's view of the emitter.

    Where a backward pass follows, everything is kept for it. Otherwise there are gates for a block of steps, and none
    of the states is kept. Hidden states are written to the output at once, where it has them as they are.
    """

    def __init__(self, layer: Recurrent, emit: Emitter, direction: Direction) -> None:
        self.layer, self.emit, self.direction, self.prefix = layer, emit, direction, direction.prefix
        self.time, self.features = emit.input_shapes[0]
        self.units, self.cell = layer.units, layer.cell
        self.outputs, self.width = self.cell.gates * self.units, self.cell.width * self.units
        self.ids = emit.table.size // self.features if emit.table is not None else 0
        """How many rows the table has that is read in the input's place, or 0."""
        self.mask = emit.mask or emit.zeros(1)
        self.kept = self.time if emit.gradients else min(STEPS, self.time)
        self.gates = self._kept("gates", self.kept * self.width)
        is_halved = self.cell.has_halves and emit.gradients and self.width % (2 * MOST_COLUMNS) == 0
        self.pieces = 2 if is_halved else 1
        """In how many pieces a position's gates lie: panels of columns don't go over their border."""
        self.zero_masked = emit.mask is not None and layer.bidirectional and layer.return_sequences
        is_apart = self.zero_masked or layer.stateful or (emit.gradients and not layer.return_sequences)
        self.all_states = (self.time + layer.stateful) * self.units
        """The entries of a sample's states: of all steps, and before them that with which a stateful layer begins."""
        self.hidden = self._kept("hidden", self.all_states) if is_apart else emit.output
        self.keeps_states = self.cell.has_state and (emit.gradients or layer.stateful)
        self.strip = ScratchSize(PLACES + STRIP * (self.width + 2 * self.units) + self.width + MOST_COLUMNS)
        """Room for what a step of a strip of samples works on: gates, hidden states and states; and for a sample's
        gates after activation, where they aren't kept."""

    def _kept(self, name: str, entries: int) -> Buffer:
        """Return the buffer of what is kept of all steps: so many entries for each sample, and one more (`_walk`)."""
        spare = ceil(entries / self.emit.batch) if self.emit.gradients else 0
        return self.emit.saved(f"{self.prefix}{name}", entries + spare)

    def _walk(self, sample: int, step: int) -> tuple[int, int]:
        """Return how far apart samples, and steps, of a buffer are that has so many entries for each.

        Where a way back follows, all samples of a step lie together, and steps a sample further apart than they need:
        else a thread's samples would lie in the same part of the cache's sets in every step.
        """
        return (step, step * (self.emit.batch + 1)) if self.emit.gradients else (sample, step)

    @property
    def states(self) -> dict[str, Any]:
        """The states' buffer, as an argument, for cells that have states."""
        if not self.cell.has_state:
            return {}
        return {"states": self._kept("states", self.all_states if self.keeps_states else 0)}

    @property
    def output_walk(self) -> tuple[int, int, int]:
        """Where the first step's entries are in the output, and how far apart samples and steps are."""
        width, at = self.emit.output_shape[-1], self.direction.at
        if not self.layer.return_sequences:
            return at, width, 0
        if self.direction.is_backwards and self.layer.bidirectional:
            return at + (self.time - 1) * width, self.time * width, -width
        return at, self.time * width, width

    @property
    def geometry(self) -> Buffer:
        """The sizes, in the order in which `dlrun.kernels.recurrent` names them."""
        units = self.units
        row, step = self._walk(self.all_states, units)
        own, state = (step * self.layer.stateful, row, step), (row, step) if self.keeps_states else (0, 0)
        hidden = self.output_walk if self.hidden is self.emit.output else own
        middle = self.width // self.pieces
        apart = (self.pieces - 1) * (self.time * (self.emit.batch + 1) - 1) * middle
        values = (
            self.time, self.features, units, self.width, self.cell.inputs_at * units, self.outputs, self.outputs,
            self.cell.turn * units, int(self.direction.is_backwards), self.kept, int(self.emit.mask is not None),
            int(self.zero_masked), int(self.layer.return_sequences), *hidden, *state, *self.output_walk,
            self.cell.bias_rows if self.layer.use_bias else 0, self.ids, int(self.layer.stateful),
            *self._walk(self.kept * self.width, middle), middle, apart,
        )  # fmt: skip
        return self.emit.constant(f"{self.prefix}geometry", values, "int64")

    @property
    def table_geometry(self) -> Buffer:
        """The sizes of a table, as if it were one sample, and its rows were the steps."""
        width = dict.fromkeys((WIDTH, MIDDLE, GATE_ROW, GATE_STEP, INPUTS), self.outputs)
        sizes = {TIME: self.ids, FEATURES: self.features, **width}
        values = tuple(sizes.get(place, 0) for place in range(GEOMETRY))
        return self.emit.constant(f"{self.prefix}table_geometry", values, "int64")

    @property
    def sums(self) -> Buffer:
        """The gates' gradients, summed by id."""
        return self.emit.shared(f"{self.prefix}sums", self.ids * self.outputs)

    def flops(self, inputs: int, positions: int) -> int:
        """Return the operations of the products of so many inputs with the gates' weights."""
        return 2 * positions * inputs * self.outputs

    def step_flops(self) -> int:
        """Return those of a batch with the state's weights and, without a table, with the inputs'."""
        inputs = self.units + (0 if self.ids else self.features)
        return self.flops(inputs, self.time) * self.emit.batch

    def packed(self, name: str) -> Buffer:
        """Return the room for a variable packed by its columns."""
        return self.emit.shared(f"{self.prefix}{name}_packed", self._inputs(name) * whole_panels(self.outputs))

    def transposed(self, name: str) -> Buffer:
        """Return the room for a variable packed by its rows."""
        return self.emit.shared(f"{self.prefix}{name}_transposed", self.outputs * whole_panels(self._inputs(name)))

    def _inputs(self, name: str) -> int:
        return self.features if name == "kernel" else self.units

    def _pack(self, kernel: Kernel, name: str, packed: Buffer) -> None:
        turn = self.cell.turn * self.units if name == "recurrent_kernel" else 0
        self.emit.call(
            kernel, partition="split", w=self.emit.variable(f"{self.prefix}{name}"), packed=packed,
            inputs=self._inputs(name), outputs=self.outputs, turn=turn,
        )  # fmt: skip

    def pack(self) -> None:
        """Emit the packing of the weights for the way through time."""
        for name in ("kernel", "recurrent_kernel"):
            self._pack(pack_panels, name, self.packed(name))

    def pack_transposed(self, needs_kernel: bool) -> None:
        """Emit the packing of the weights for the way back."""
        for name in ("recurrent_kernel", *(("kernel",) if needs_kernel else ())):
            self._pack(pack_panels_transposed, name, self.transposed(name))

    def project(self, bias: Buffer) -> Buffer:
        """Return the packed weights of the inputs, or, over a table, emit and return what becomes of its vectors."""
        packed = self.packed("kernel")
        if self.emit.table is None:
            return packed
        projected = self.emit.shared(f"{self.prefix}projected", (self.ids + 1) * self.width)
        self.emit.call(
            lookup_project, partition="split", table=self.emit.table, w=packed, bias=bias, projected=projected,
            geometry=self.geometry, flops=self.flops(self.features, self.ids),
        )  # fmt: skip
        return projected

    def forward(self, x: Buffer, w: Buffer, bias: Buffer) -> None:
        """Emit the way through time, for a stateful layer from where the last batch's ended."""
        self._carry(begins=True)
        self.emit.call(
            self.layer.forward_kernel, x=x, w=w, u=self.packed("recurrent_kernel"), bias=bias, mask=self.mask,
            gates=self.gates, hidden=self.hidden, scratch=self.strip, geometry=self.geometry, rows=self.emit.rows,
            flops=self.step_flops(), **self.states, **self.layer.cell_arguments(),
        )  # fmt: skip
        self._carry(begins=False)
        if self.hidden is not self.emit.output:
            self.emit.call(
                take_steps, hidden=self.hidden, mask=self.mask, y=self.emit.output, geometry=self.geometry,
                rows=self.emit.rows,
            )  # fmt: skip

    def _carry(self, begins: bool) -> None:
        """Emit the copies of a stateful layer's state: of that which is kept to the start, or of the end's to keep."""
        if not self.layer.stateful:
            return
        row, step = self._walk(self.all_states, self.units)
        for name, states in {"hidden": self.hidden, **self.states}.items():
            kept = self.emit.kept(f"carried_{name}", self.units)
            source, target = (kept, states) if begins else (states, kept)
            self.emit.call(
                copy_state, source=source, target=target, source_row=self.units if begins else row,
                source_at=0 if begins else self.time * step, target_row=row if begins else self.units, target_at=0,
                units=self.units, rows=self.emit.rows,
            )  # fmt: skip

    def backward(self) -> None:
        """Emit the way back, from the output's gradient to those of the gates."""
        self.emit.call(
            self.layer.backward_kernel, u=self.transposed("recurrent_kernel"), mask=self.mask,
            zeros=self.emit.zeros(self.units), gates=self.gates, hidden=self.hidden, dy=self.emit.output_gradient,
            geometry=self.geometry, rows=self.emit.rows, scratch=self.strip,
            flops=self.flops(self.units, self.time) * self.emit.batch, **self.states, **self.layer.cell_arguments(),
        )  # fmt: skip

    def backward_input(self, dx: Buffer, accumulates: bool) -> None:
        """Emit the gradient of the input, written or added."""
        self.emit.call(
            recurrent_backward_input, gates=self.gates, w=self.transposed("kernel"),
            start=dx if accumulates else self.emit.zeros(MOST_COLUMNS), dx=dx, accumulates=int(accumulates),
            geometry=self.geometry, rows=self.emit.rows,
            flops=self.flops(self.features, self.time) * self.emit.batch,
        )  # fmt: skip

    def backward_weights(self, x: Buffer) -> None:
        """Emit the gradients of the variables, where they are trained, with their updates."""
        emit = self.emit
        dw, du = (emit.update(f"{self.prefix}{name}") for name in ("kernel", "recurrent_kernel"))
        if dw is None or du is None:
            return
        db = (emit.update(f"{self.prefix}bias") if self.layer.use_bias else None) or dw
        common: dict[str, Any] = {
            "partition": "split", "gates": self.gates, "geometry": self.geometry, "rows": emit.rows,
        }  # fmt: skip
        if emit.table is not None:
            emit.call(
                lookup_backward_weights, ids=emit.input, table=emit.table, sums=self.sums, dw=dw, db=db,
                table_geometry=self.table_geometry, flops=self.flops(self.features, self.ids),
                scratch=ScratchSize(lookup_scratch(self.ids, self.time * emit.batch)), **common,
            )  # fmt: skip
            dw, db = du, du if self.cell.bias_rows == 1 else db  # not touched again: no barrier for them
        emit.call(
            recurrent_backward_weights, x=x, hidden=self.hidden, dw=dw, du=du, db=db, flops=self.step_flops(),
            scratch=ScratchSize(SCRATCH + MOST_COLUMNS), **common,
        )  # fmt: skip


def emit_table_gradient(emit: Emitter, ways: list[Way], update: Update) -> None:
    """Emit the gradient of the table that all directions read, with its update."""
    first, last = ways[0], ways[-1]
    emit.call(
        lookup_backward_table, partition="split", sums=first.sums, w=first.transposed("kernel"), other_sums=last.sums,
        other_w=last.transposed("kernel"), zeros=emit.zeros(MOST_COLUMNS), gradient=update, both=len(ways) - 1,
        scratch=ScratchSize(IDS * first.features + MOST_COLUMNS), geometry=first.geometry,
        flops=len(ways) * first.flops(first.features, first.ids),
    )  # fmt: skip
