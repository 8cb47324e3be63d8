"""Multi-head attention."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from dlrun.errors import ShapeError
from dlrun.initializers import INITIALIZERS, GlorotUniform, Initializer, Zeros
from dlrun.layers.attention import DotProductAttention
from dlrun.layers.base import Layer, Shape, expect_rank
from dlrun.layers.dense import Dense
from dlrun.layers.rotary import RotaryPositions
from dlrun.registry import ChosenBy
from dlrun.regularizers import REGULARIZERS, Regularizer


class MultiHeadAttention(Layer):
    """Attention of several heads over sequences (time, features): A. Vaswani et al. (2017), section 3.2.

    With one input every position attends to all positions of the same sequence. With two, (query, value), the first's
    positions attend to the second's; a third is the keys. Padded positions (of the keys' mask) are left out.
    The projections of one source are one product: query_key_value, or key_value.
    """

    type: Literal["multi_head_attention"] = "multi_head_attention"
    num_heads: int = Field(gt=0)
    """The number of heads."""
    key_dim: int | None = Field(default=None, gt=0)
    """The size of a head's queries and keys; the features divided by num_heads when left out."""
    value_dim: int | None = Field(default=None, gt=0)
    """The size of a head's values; key_dim when left out."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """The share of attention weights that are dropped in training."""
    use_bias: bool = True
    """Whether the projections have biases."""
    causal: bool = False
    """Whether a position sees only itself and those before it."""
    rotary: bool = False
    """Whether queries and keys are turned by their positions (rotary position embedding)."""
    kernel_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = GlorotUniform()
    """How the projections' weights start."""
    bias_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Zeros()
    """How the biases start."""
    kernel_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on the projections' weights."""
    bias_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on the biases."""

    number_of_inputs: ClassVar[tuple[int, int | None]] = (1, 3)
    input_names: ClassVar[tuple[str, ...]] = ("queries", "values", "keys")

    def parts(self, *inputs: Shape) -> tuple[Layer, ...]:
        """Return the projections, the rotation, the heads, and the output's projection."""
        for shape in inputs:
            expect_rank(self, shape, 2, "(time, features)")
        key_dim = self._key_dim(inputs[0][-1])
        value_dim = self.value_dim or key_dim
        projections = self._projections(len(inputs), self.num_heads * key_dim, self.num_heads * value_dim)
        heads = DotProductAttention(
            name="heads", inputs=tuple(str(part.name) for part in projections), num_heads=self.num_heads,
            key_dim=key_dim, value_dim=value_dim, causal=self.causal, dropout=self.dropout,
        )  # fmt: skip
        if self.rotary:
            self._check_rotary(inputs, key_dim)
            turned = RotaryPositions(name="rotary", heads=2 * self.num_heads, width=key_dim)
            projections, heads = (*projections, turned), heads.model_copy(update={"inputs": ("rotary",)})
        return (*projections, heads, self._dense("output", inputs[0][-1], "heads"))

    def _projections(self, inputs: int, keys: int, values: int) -> tuple[Layer, ...]:
        if inputs == 1:
            return (self._dense("query_key_value", 2 * keys + values, "queries"),)
        query = self._dense("query", keys, "queries")
        if inputs == 2:
            return (query, self._dense("key_value", keys + values, "values"))
        return (query, self._dense("key", keys, "keys"), self._dense("value", values, "values"))

    def _dense(self, name: str, units: int, source: str) -> Dense:
        fields: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer")
        }
        return Dense(name=name, inputs=(source,), units=units, use_bias=self.use_bias, **fields)

    def _key_dim(self, features: int) -> int:
        if self.key_dim is not None:
            return self.key_dim
        if features % self.num_heads:
            message = f"{features} features can't be shared out to {self.num_heads} heads"
            raise ShapeError(message, "num_heads", f"take a divisor of {features}")
        return features // self.num_heads

    def _check_rotary(self, inputs: tuple[Shape, ...], key_dim: int) -> None:
        if len(inputs) > 1:
            message = "rotary turns queries and keys of one sequence, but there are several inputs"
            raise ShapeError(message, "rotary", "leave it out of attention to another sequence")
        if key_dim % 2:
            raise ShapeError(f"rotary turns pairs of features, but key_dim is {key_dim}", "rotary", "an even key_dim")
