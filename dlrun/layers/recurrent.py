"""What the recurrent layers have in common: their fields, variables and shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from dlrun.errors import ShapeError
from dlrun.initializers import INITIALIZERS, GlorotUniform, Initializer, Orthogonal, Zeros
from dlrun.kernels.lang import Kernel
from dlrun.kernels.philox import UNIFORMS
from dlrun.kernels.recurrent_outputs import reverse_mask
from dlrun.layers.base import Layer, MaskRule, Shape, expect_rank
from dlrun.layers.merge_halves import MergeHalves, MergeMode
from dlrun.layers.recurrent_way import Cell, Direction, Way, emit_table_gradient
from dlrun.layers.spatial_dropout import multiply_channels, spatial_dropout_draw
from dlrun.layers.variable import Variable
from dlrun.plan import Buffer, ScratchSize
from dlrun.registry import ChosenBy
from dlrun.regularizers import CONSTRAINTS, REGULARIZERS, Constraint, Regularizer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class Recurrent(Layer):
    """A layer that takes a sequence (time, features) step by step, with a state that it hands from one to the next.

    A subclass gives `cell` and its kernels.
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
    """Whether a second cell takes the sequence from its end."""
    merge_mode: MergeMode = "concat"
    """What becomes of the states of the two directions: side by side, or their sum, product (`mul`) or mean (`ave`)."""
    stateful: bool = False
    """Whether each row of a batch goes on with the state in which that row of the batch before ended: for streams."""
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
    position_kernel: ClassVar[Kernel]

    @property
    def mask_rule(self) -> MaskRule:  # type: ignore[override]
        """The mask goes on with the steps, in their order; a single state has none."""
        if not self.return_sequences:
            return "drop"
        return "make" if self.go_backwards else "pass"

    @property
    def keeps_state(self) -> bool:
        """Whether it is stateful."""
        return self.stateful

    def parts(self, *inputs: Shape) -> tuple[Layer, ...]:
        """Return both directions, and what makes one of their states, unless these stay side by side."""
        if self.merge_mode == "concat" or not self.bidirectional:
            return ()
        both = self.model_copy(update={"name": "directions", "inputs": None, "merge_mode": "concat"})
        return (both, MergeHalves(name=self.merge_mode, mode=self.merge_mode))

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (units,) or (time, units); twice the units in two directions."""
        expect_rank(self, inputs[0], 2, "(time, features)")
        if self.merge_mode != "concat" and not self.bidirectional:
            raise ShapeError("merge_mode is for the two directions of a bidirectional layer", "merge_mode")
        if self.bidirectional and self.go_backwards:
            raise ShapeError(
                "a bidirectional layer takes the sequence both ways already", "go_backwards", "leave one of the two out"
            )
        if self.stateful and (self.bidirectional or self.go_backwards):
            message = "a stateful layer goes on where the batch before ended, and so can't begin at a sequence's end"
            raise ShapeError(message, "stateful", "leave bidirectional and go_backwards out")
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
        features = inputs[0][-1]
        return tuple(v for direction in self.directions for v in self._variables_of(direction.prefix, features))

    def _variables_of(self, prefix: str, features: int) -> Iterator[Variable]:
        gates = self.cell.gates * self.units
        yield Variable(
            f"{prefix}kernel", (features, gates), self.kernel_initializer, features, gates,
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint,
        )  # fmt: skip
        yield Variable(
            f"{prefix}recurrent_kernel", (self.units, gates), self.recurrent_initializer, self.units, gates,
            regularizer=self.recurrent_regularizer, constraint=self.recurrent_constraint,
        )  # fmt: skip
        if self.use_bias:
            rows = self.cell.bias_rows
            shape = (gates,) if rows == 1 else (rows, gates)
            yield Variable(
                f"{prefix}bias", shape, self.starting_bias(), gates, gates, regularizer=self.bias_regularizer
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
        return 2 * time * (features + self.units) * self.cell.gates * self.units * len(self.directions)

    def next_position(self, *inputs: Shape) -> Layer | None:
        """Return the layer's next step; none where the sequence is taken from its end."""
        takes_time = self.return_sequences and not (self.bidirectional or self.go_backwards)
        return NextStep(layer=self.model_copy(update={"stateful": False})) if takes_time else None

    def forward(self, emit: Emitter) -> None:
        """Emit the packing of the weights, then each direction's way through time."""
        x = self._dropped(emit)
        ways = self._ways(emit)
        for way in ways:
            way.pack()
        biases = [self.gate_bias(emit, way.direction) for way in ways]
        weights = [way.project(bias) for way, bias in zip(ways, biases, strict=True)]
        for way, w, bias in zip(ways, weights, biases, strict=True):
            way.forward(x, w, bias)
        if self.mask_rule == "make" and emit.mask is not None:
            time = emit.input_shapes[0][0]
            emit.call(reverse_mask, mask=emit.mask, reversed=emit.new_mask, rows=emit.rows, time=time)

    def backward(self, emit: Emitter) -> None:
        """Emit each direction's way back through time, then the gradients of the input and of the variables."""
        ways, dx, table = self._ways(emit), emit.input_gradient(), emit.table_update()
        for way in ways:
            way.pack_transposed(dx is not None or table is not None)
        for way in ways:
            way.backward()
        if dx is not None:
            for index, way in enumerate(ways):
                way.backward_input(dx, accumulates=index > 0)
            if self._drops(emit):
                self._multiply(emit, dx, dx)
        for way in ways:
            way.backward_weights(self._dropped_input(emit) if self._drops(emit) else emit.input)
        if table is not None:
            emit_table_gradient(emit, ways, table)

    def _ways(self, emit: Emitter) -> list[Way]:
        return [Way(self, emit, direction) for direction in self.directions]

    def gate_bias(self, emit: Emitter, direction: Direction) -> Buffer:
        """Return the biases as the gates lie in memory, or zeros for them."""
        if not self.use_bias:
            return emit.zeros(self.cell.width * self.units)
        return emit.variable(f"{direction.prefix}bias")

    def _drops(self, emit: Emitter) -> bool:
        return emit.training and self.dropout > 0

    def _dropped_input(self, emit: Emitter) -> Buffer:
        time, features = emit.input_shapes[0]
        return emit.saved("dropped", time * features)

    def _dropped(self, emit: Emitter) -> Buffer:
        """Return the input, with some features dropped in training."""
        if not self._drops(emit):
            return emit.input
        features = emit.input_shapes[0][1]
        emit.call(
            spatial_dropout_draw, factors=emit.saved("factors", features), key=emit.random_key("dropout"),
            rate=self.dropout, scale=1 / (1 - self.dropout), scratch=ScratchSize(UNIFORMS), step=emit.step,
            rows=emit.rows, channels=features,
        )  # fmt: skip
        self._multiply(emit, emit.input, self._dropped_input(emit))
        return self._dropped_input(emit)

    def _multiply(self, emit: Emitter, x: Buffer, y: Buffer) -> None:
        time, features = emit.input_shapes[0]
        emit.call(
            multiply_channels, x=x, factors=emit.saved("factors", features), y=y, rows=emit.rows, places=time,
            channels=features,
        )  # fmt: skip


class NextStep(Layer):
    """A recurrent layer's next step, in inference: its state is kept from position to position.

    x is (1, features), y (1, units).
    """

    type: Literal["next_step"] = "next_step"
    layer: Recurrent

    mask_rule: ClassVar[MaskRule] = "pass"

    def flops(self, *inputs: Shape) -> int:
        """Return those of one step."""
        return self.layer.flops(*inputs)

    def forward(self, emit: Emitter) -> None:
        """Emit the packing of the weights, and the step."""
        layer = self.layer
        way = Way(layer, emit, layer.directions[0])
        way.pack()
        bias = layer.gate_bias(emit, way.direction)
        emit.call(
            layer.position_kernel, x=emit.input, w=way.project(bias), u=way.packed("recurrent_kernel"), bias=bias,
            mask=way.mask, gates=way.gates, state=emit.kept("state", layer.units),
            hidden=emit.kept("hidden", layer.units), y=emit.output, scratch=way.strip, geometry=way.geometry,
            rows=emit.rows, flops=way.step_flops(), **layer.cell_arguments(),
        )  # fmt: skip
