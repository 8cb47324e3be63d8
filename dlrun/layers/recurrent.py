"""What the recurrent layers have in common: their fields, their sizes, and the calls they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, PositiveInt

from dlrun.errors import ShapeError
from dlrun.initializers import INITIALIZERS, GlorotUniform, Initializer, Orthogonal, Zeros
from dlrun.kernels.lang import Kernel
from dlrun.kernels.recurrent import STEPS, STRIP, pack_panels, pack_panels_transposed
from dlrun.kernels.recurrent_gradients import SCRATCH, recurrent_backward_input, recurrent_backward_weights
from dlrun.kernels.recurrent_outputs import reverse_mask, take_steps
from dlrun.kernels.target import MOST_COLUMNS
from dlrun.layers.base import Layer, MaskRule, Shape, expect_rank
from dlrun.layers.spatial_dropout import multiply_channels, spatial_dropout_draw
from dlrun.layers.variable import Variable
from dlrun.plan import Buffer, ScratchSize
from dlrun.registry import ChosenBy
from dlrun.regularizers import CONSTRAINTS, REGULARIZERS, Constraint, Regularizer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


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


@dataclass(frozen=True)
class Direction:
    """One way through time: the prefix of its names, and where its half of the output begins."""

    prefix: str
    is_backwards: bool
    at: int


class Recurrent(Layer):
    """A layer that takes a sequence (time, features) step by step, with a state that it hands from one to the next.

    A subclass gives `cell` and its two kernels.
    """

    units: PositiveInt
    """The size of the hidden state."""
    use_bias: bool = True
    """Whether a bias is added."""
    return_sequences: bool = False
    """Whether the output has the hidden states of all steps, (time, units), or the last one alone, (units,)."""
    go_backwards: bool = False
    """Whether the sequence is taken from its end; the states of all steps then come in that order too."""
    bidirectional: bool = False
    """Whether a second cell takes the sequence from its end; the output has the states of both, side by side."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """The share of input features that are dropped in training: for each sample the same ones in all steps."""
    kernel_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = GlorotUniform()
    """How the weights of the inputs start."""
    recurrent_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Orthogonal()
    """How the weights of the hidden state start."""
    bias_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Zeros()
    """How the bias starts."""
    kernel_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on the weights of the inputs."""
    recurrent_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on the weights of the hidden state."""
    bias_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on the bias."""
    kernel_constraint: Annotated[Constraint, ChosenBy(CONSTRAINTS)] | None = None
    """A condition on the weights of the inputs to each gate."""
    recurrent_constraint: Annotated[Constraint, ChosenBy(CONSTRAINTS)] | None = None
    """A condition on the weights of the hidden state to each gate."""

    cell: ClassVar[Cell]
    forward_kernel: ClassVar[Kernel]
    backward_kernel: ClassVar[Kernel]
    bias_rows: ClassVar[int] = 1
    """How many biases a gate has: one, or one for the inputs and one for the hidden state."""

    @property
    def mask_rule(self) -> MaskRule:  # type: ignore[override]
        """The mask goes on with the steps, in their order; a single state has none."""
        if not self.return_sequences:
            return "drop"
        return "make" if self.go_backwards else "pass"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (units,) or (time, units); twice the units in two directions."""
        expect_rank(self, inputs[0], 2, "(time, features)")
        if self.bidirectional and self.go_backwards:
            raise ShapeError(
                "a bidirectional layer takes the sequence both ways already", "go_backwards", "leave one of the two out"
            )
        units = self.units * len(self.directions)
        return (inputs[0][0], units) if self.return_sequences else (units,)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The ways in which the sequence is taken."""
        if not self.bidirectional:
            return (Direction("", self.go_backwards, 0),)
        return (Direction("forward_", False, 0), Direction("backward_", True, self.units))

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return, for each direction, kernel (features, gates), recurrent_kernel (units, gates) and bias."""
        return tuple(variable for way in self.directions for variable in self._variables_of(way, inputs[0][-1]))

    def _variables_of(self, way: Direction, features: int) -> Iterator[Variable]:
        gates = self.cell.gates * self.units
        yield Variable(
            f"{way.prefix}kernel", (features, gates), self.kernel_initializer, features, gates,
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint,
        )  # fmt: skip
        yield Variable(
            f"{way.prefix}recurrent_kernel", (self.units, gates), self.recurrent_initializer, self.units, gates,
            regularizer=self.recurrent_regularizer, constraint=self.recurrent_constraint,
        )  # fmt: skip
        if self.use_bias:
            shape = (gates,) if self.bias_rows == 1 else (self.bias_rows, gates)
            yield Variable(
                f"{way.prefix}bias", shape, self.starting_bias(), gates, gates, regularizer=self.bias_regularizer
            )

    def starting_bias(self) -> Initializer:
        """Return how the bias starts."""
        return self.bias_initializer

    def cell_arguments(self) -> dict[str, Any]:
        """Return what the kernels take besides what all cells' kernels take."""
        return {}

    def flops(self, *inputs: Shape) -> int:
        """Return a multiplication and an addition for each weight in each step."""
        time, features = inputs[0]
        return len(self.directions) * (self._flops_of(features, time) + self._flops_of(self.units, time))

    def _flops_of(self, inputs: int, time: int) -> int:
        return 2 * time * inputs * self.cell.gates * self.units

    def forward(self, emit: Emitter) -> None:
        """Emit the packing of the weights, then each direction's way through time."""
        time, features = emit.input_shapes[0]
        x = self._dropped(emit)
        for way in self.directions:
            for name in ("kernel", "recurrent_kernel"):
                self._pack(emit, pack_panels, way, name)
        biases = [self.gate_bias(emit, way) for way in self.directions]
        for way, bias in zip(self.directions, biases, strict=True):
            memory = Memory(self, emit, way)
            emit.call(
                self.forward_kernel, x=x, w=self._packed(emit, way, "kernel"),
                u=self._packed(emit, way, "recurrent_kernel"), bias=bias, mask=emit.mask or emit.zeros(1),
                zeros=emit.zeros(self.units), gates=memory.gates, hidden=memory.hidden, geometry=memory.geometry,
                rows=emit.rows, flops=(self._flops_of(features, time) + self._flops_of(self.units, time)) * emit.batch,
                **memory.states, **self.cell_arguments(),
            )  # fmt: skip
            if memory.hidden is not emit.output:
                emit.call(
                    take_steps, hidden=memory.hidden, mask=emit.mask or emit.zeros(1), y=emit.output,
                    geometry=memory.geometry, rows=emit.rows,
                )  # fmt: skip
        if self.mask_rule == "make" and emit.mask is not None:
            emit.call(reverse_mask, mask=emit.mask, reversed=emit.new_mask, rows=emit.rows, time=time)

    def backward(self, emit: Emitter) -> None:
        """Emit each direction's way back through time, then the gradients of the input and of the variables."""
        time, features = emit.input_shapes[0]
        dx = emit.input_gradient()
        for way in self.directions:
            self._pack(emit, pack_panels_transposed, way, "recurrent_kernel")
            if dx is not None:
                self._pack(emit, pack_panels_transposed, way, "kernel")
        for index, way in enumerate(self.directions):
            memory = Memory(self, emit, way)
            emit.call(
                self.backward_kernel, u=self._packed(emit, way, "recurrent_kernel"),
                mask=emit.mask or emit.zeros(1), zeros=emit.zeros(self.units), gates=memory.gates,
                hidden=memory.hidden, dy=emit.output_gradient, geometry=memory.geometry, rows=emit.rows,
                scratch=ScratchSize(2 * STRIP * self.units + MOST_COLUMNS),
                flops=self._flops_of(self.units, time) * emit.batch, **memory.states, **self.cell_arguments(),
            )  # fmt: skip
            if dx is not None:
                emit.call(
                    recurrent_backward_input, gates=memory.gates, w=self._packed(emit, way, "kernel"),
                    start=dx if index else emit.zeros(MOST_COLUMNS), dx=dx, accumulates=index,
                    geometry=memory.geometry, rows=emit.rows, flops=self._flops_of(features, time) * emit.batch,
                )  # fmt: skip
        if dx is not None and self._drops(emit):
            self._multiply(emit, dx, dx)
        self._backward_weights(emit)

    def _backward_weights(self, emit: Emitter) -> None:
        time, features = emit.input_shapes[0]
        x = emit.saved("dropped", time * features) if self._drops(emit) else emit.input
        for way in self.directions:
            dw, du = (emit.update(f"{way.prefix}{name}") for name in ("kernel", "recurrent_kernel"))
            if dw is None or du is None:
                continue
            memory = Memory(self, emit, way)
            bias = emit.update(f"{way.prefix}bias") if self.use_bias else None
            emit.call(
                recurrent_backward_weights, partition="split", x=x, hidden=memory.hidden, gates=memory.gates,
                one=emit.constant("one", (1.0,)), dw=dw, du=du, db=bias or dw,
                scratch=ScratchSize(SCRATCH + MOST_COLUMNS), geometry=memory.geometry, rows=emit.rows,
                flops=(self._flops_of(features, time) + self._flops_of(self.units, time)) * emit.batch,
            )  # fmt: skip

    def gate_bias(self, emit: Emitter, way: Direction) -> Buffer:
        """Return the biases as the gates lie in memory, or zeros for them."""
        if not self.use_bias:
            return emit.zeros(self.cell.width * self.units)
        return emit.variable(f"{way.prefix}bias")

    def _packed_name(self, way: Direction, name: str) -> str:
        return f"{way.prefix}packed_{name}"

    def _packed(self, emit: Emitter, way: Direction, name: str) -> Buffer:
        """Return the room for a packed variable: first by columns, then, for the way back, transposed."""
        inputs = emit.input_shapes[0][-1] if name == "kernel" else self.units
        outputs = self.cell.gates * self.units
        size = max(inputs * _whole_panels(outputs), outputs * _whole_panels(inputs))
        return emit.shared(self._packed_name(way, name), size)

    def _pack(self, emit: Emitter, kernel: Kernel, way: Direction, name: str) -> None:
        turn = self.cell.turn * self.units if name == "recurrent_kernel" else 0
        inputs = emit.input_shapes[0][-1] if name == "kernel" else self.units
        emit.call(
            kernel, partition="split", w=emit.variable(f"{way.prefix}{name}"), packed=self._packed(emit, way, name),
            inputs=inputs, outputs=self.cell.gates * self.units, turn=turn,
        )  # fmt: skip

    def _drops(self, emit: Emitter) -> bool:
        return emit.training and self.dropout > 0

    def _dropped(self, emit: Emitter) -> Buffer:
        """Return the input, with some features dropped in training."""
        if not self._drops(emit):
            return emit.input
        time, features = emit.input_shapes[0]
        x = emit.saved("dropped", time * features)
        emit.call(
            spatial_dropout_draw, factors=emit.saved("factors", features), key=emit.random_key("dropout"),
            rate=self.dropout, scale=1 / (1 - self.dropout), scratch=ScratchSize(MOST_COLUMNS), step=emit.step,
            rows=emit.rows, channels=features,
        )  # fmt: skip
        self._multiply(emit, emit.input, x)
        return x

    def _multiply(self, emit: Emitter, x: Buffer, y: Buffer) -> None:
        time, features = emit.input_shapes[0]
        emit.call(
            multiply_channels, x=x, factors=emit.saved("factors", features), y=y, rows=emit.rows, places=time,
            channels=features,
        )  # fmt: skip


class Memory:
    """The buffers of one direction, and how they are walked: as `dlrun.kernels.recurrent` names it.

    Where a backward pass follows, everything is kept for it. Otherwise there are gates for a block of steps, and of
    the states only the last is kept. Hidden states are written to the output at once, where it has them as they are.
    """

    def __init__(self, layer: Recurrent, emit: Emitter, way: Direction) -> None:
        time, features = emit.input_shapes[0]
        units, outputs, cell = layer.units, emit.output_shape[-1], layer.cell
        all_steps, masked = layer.return_sequences, emit.mask is not None
        kept = time if emit.gradients else min(STEPS, time)
        self.gates = emit.saved(f"{way.prefix}gates", kept * cell.width * units)
        is_reversed = way.is_backwards and layer.bidirectional
        output = (
            (way.at + (time - 1) * outputs, time * outputs, -outputs) if all_steps and is_reversed
            else (way.at, time * outputs, outputs) if all_steps
            else (way.at, outputs, 0)
        )  # fmt: skip
        zero_masked = masked and layer.bidirectional and all_steps
        if zero_masked or (emit.gradients and not all_steps):
            self.hidden = emit.saved(f"{way.prefix}hidden", time * units)
            hidden = (0, time * units, units)
        else:
            self.hidden, hidden = emit.output, output
        self.states: dict[str, Any] = {}
        state = hidden[1:]
        if cell.has_state:
            steps = time if emit.gradients else 1
            self.states["states"] = emit.saved(f"{way.prefix}states", steps * units)
            state = (steps * units, units if emit.gradients else 0)
        biases = layer.bias_rows if layer.use_bias else 0
        self.geometry = emit.constant(
            f"{way.prefix}geometry",
            (
                time, features, units, cell.width * units, cell.inputs_at * units, cell.gates * units,
                cell.gates * units, cell.turn * units, int(way.is_backwards), kept, int(masked), int(zero_masked),
                int(all_steps), *hidden, *state, *output, biases,
            ),
            "int64",
        )  # fmt: skip


def _whole_panels(columns: int) -> int:
    return -(-columns // MOST_COLUMNS) * MOST_COLUMNS
