"""The core of multi-head attention, between its projections."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dlrun.kernels.attention import GROUP, attention_forward
from dlrun.kernels.attention_backward import attention_backward
from dlrun.kernels.attention_position import attention_position
from dlrun.kernels.philox import UNIFORMS
from dlrun.kernels.target import MOST_COLUMNS
from dlrun.layers.base import Layer, MaskRule, Shape
from dlrun.plan import POSITION, Buffer, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class DotProductAttention(Layer):
    """Scaled dot-product attention of several heads: a part of multi_head_attention, not a layer of the language.

    Its inputs are the projected queries, keys and values, (time, heads * width) each: one input holds all three side
    by side, two hold queries, and keys beside values; three hold one each.
    """

    type: Literal["dot_product_attention"] = "dot_product_attention"
    num_heads: int
    key_dim: int
    value_dim: int
    causal: bool = False
    dropout: float = 0.0

    number_of_inputs: ClassVar[tuple[int, int | None]] = (1, 3)
    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "pass"
    is_bounded: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (queries, heads * value_dim)."""
        return (inputs[0][0], self.num_heads * self.value_dim)

    def flops(self, *inputs: Shape) -> int:
        """Return those of the two products; under a causal mask, of the half that isn't zero."""
        queries, keys = inputs[0][0], inputs[-1][0]
        return 2 * self.num_heads * queries * keys * (self.key_dim + self.value_dim) // (2 if self.causal else 1)

    def next_position(self, *inputs: Shape) -> Layer | None:
        """Return attention of the next position to itself and those before, where it is causal."""
        return NextAttention(heads=self, time=inputs[0][0]) if self.causal else None

    def forward(self, emit: Emitter) -> None:
        """Emit one call, which saves the probabilities where a backward pass follows."""
        queries, keys = emit.input_shapes[0][0], emit.input_shapes[-1][0]
        area, rate = queries * self._room(keys), self._rate(emit)
        scratch = (self.key_dim + 2) * queries
        if rate or not emit.gradients:
            scratch += area
        if rate:
            scratch += area + queries + UNIFORMS
        saved = self._saved(emit) if emit.gradients else emit.shared("unused", 1)
        emit.call(
            attention_forward, flops=self.flops(*emit.input_shapes) * emit.batch, y=emit.output, saved=saved,
            scratch=ScratchSize(scratch), keep=int(emit.gradients), random_key=emit.random_key("dropout"),
            step=emit.step, **self._arguments(emit),
        )  # fmt: skip

    def backward(self, emit: Emitter) -> None:
        """Emit one call for the gradients of all inputs; those that nobody wants go to a buffer of their own."""
        queries, keys = emit.input_shapes[0][0], emit.input_shapes[-1][0]
        gradients = [emit.input_gradient(index) for index in range(len(emit.inputs))]
        if not any(gradients):
            return
        places = [
            gradient or emit.saved(f"unused_{index}", shape[0] * shape[1])
            for index, (gradient, shape) in enumerate(zip(gradients, emit.input_shapes, strict=True))
        ]
        dq, dk, dv = self._roles(places)
        area = queries * self._room(keys)
        emit.call(
            attention_backward, flops=2 * self.flops(*emit.input_shapes) * emit.batch, saved=self._saved(emit),
            dy=emit.output_gradient, dq=dq, dk=dk, dv=dv,
            scratch=ScratchSize((self.value_dim + 1) * queries + area + (area if self._rate(emit) else 0)),
            **self._arguments(emit),
        )  # fmt: skip

    def _rate(self, emit: Emitter) -> float:
        return self.dropout if emit.training else 0.0

    def _saved(self, emit: Emitter) -> Buffer:
        queries, keys = emit.input_shapes[0][0], emit.input_shapes[-1][0]
        return emit.saved("probabilities", self.num_heads * queries * self._room(keys))

    def _room(self, keys: int) -> int:
        """Return for how many keys the kernels want room."""
        return -(-keys // GROUP) * GROUP

    def _roles(self, buffers: list[Buffer]) -> tuple[Buffer, Buffer, Buffer]:
        """Return which buffer holds queries, keys, values."""
        return buffers[0], buffers[min(1, len(buffers) - 1)], buffers[-1]

    def _arguments(self, emit: Emitter) -> dict[str, Any]:
        """Return the arguments that both directions take."""
        return self.common_arguments(emit) | {
            "queries": emit.input_shapes[0][0], "keys": emit.input_shapes[-1][0], "causal": int(self.causal),
            "rate": self._rate(emit),
        }  # fmt: skip

    def common_arguments(self, emit: Emitter) -> dict[str, Any]:
        """Return the arguments that every kernel takes: the inputs, and how they lie in memory."""
        q, k, v = self._roles(emit.inputs)
        key_width, steps = self.num_heads * self.key_dim, [shape[1] for shape in emit.input_shapes]
        k_start = key_width if k is q else 0
        v_start = k_start + key_width if v is k else 0
        mask = emit.mask_of(min(1, len(emit.inputs) - 1)) or emit.mask_of(len(emit.inputs) - 1)
        return {
            "q": q, "k": k, "v": v, "mask": mask or emit.zeros(1), "masked": int(mask is not None),
            "zeros": emit.zeros(MOST_COLUMNS), "q_start": 0, "k_start": k_start, "v_start": v_start,
            "q_step": steps[0], "k_step": steps[min(1, len(steps) - 1)], "v_step": steps[-1],
            "heads": self.num_heads, "key_width": self.key_dim, "value_width": self.value_dim,
            "scale": 1 / sqrt(self.key_dim), "rows": emit.rows,
        }  # fmt: skip


class NextAttention(Layer):
    """Causal attention of the next position, in inference: the keys and values of those before are kept.

    Inputs and output are those of its `heads`, with one position.
    """

    type: Literal["next_attention"] = "next_attention"
    heads: DotProductAttention
    time: int

    number_of_inputs: ClassVar[tuple[int, int | None]] = (1, 3)
    mask_rule: ClassVar[MaskRule] = "pass"

    def flops(self, *inputs: Shape) -> int:
        """Return those of the two products with as many positions as there may be."""
        return 2 * self.heads.num_heads * self.time * (self.heads.key_dim + self.heads.value_dim)

    def forward(self, emit: Emitter) -> None:
        """Emit one call."""
        count, key_width, value_width = self.heads.num_heads, self.heads.key_dim, self.heads.value_dim
        emit.call(
            attention_position, flops=self.flops() * emit.batch, y=emit.output, room=self.time, position=POSITION,
            keys=emit.kept("keys", count * self.time * key_width),
            values=emit.kept("values", count * self.time * value_width), real_keys=emit.kept("real_keys", self.time),
            scratch=ScratchSize(key_width + 2 + self.time + GROUP), **self.heads.common_arguments(emit),
        )  # fmt: skip
