"""What the blocks of a Transformer have in common."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from dlrun.activations import ACTIVATIONS, Activation
from dlrun.activations.relu import Relu
from dlrun.initializers import INITIALIZERS, GlorotUniform, Initializer, Zeros
from dlrun.layers.add import Add
from dlrun.layers.base import Layer
from dlrun.layers.dense import Dense
from dlrun.layers.dropout import Dropout
from dlrun.layers.layer_normalization import LayerNormalization
from dlrun.layers.multi_head_attention import MultiHeadAttention
from dlrun.layers.rms_normalization import RMSNormalization
from dlrun.registry import ChosenBy


class TransformerBlock(Layer):
    """A block of sublayers over a sequence (time, features), each with dropout, a skip connection and normalisation."""

    aliases: ClassVar = {"normalise_first": "normalize_first", "norm_first": "normalize_first"}

    intermediate_dim: int = Field(gt=0)
    """The number of units between the two dense layers."""
    num_heads: int = Field(gt=0)
    """The number of heads of the attention."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """The share that is dropped in training of attention weights, and of each sublayer's output."""
    activation: Annotated[Activation, ChosenBy(ACTIVATIONS)] = Relu()
    """The function between the two dense layers."""
    normalize_first: bool = False
    """Whether a sublayer's input is normalised (as in GPT-2), rather than the sum behind it (as in the paper)."""
    normalization: Literal["layer_normalization", "rms_normalization"] = "layer_normalization"
    """How vectors are normalised."""
    layer_norm_epsilon: float = Field(default=1e-5, gt=0)
    """What the normalisation adds to the variance, or to the mean square."""
    use_bias: bool = True
    """Whether the attention and the dense layers have biases."""
    rotary: bool = False
    """Whether the queries and keys of attention within the sequence are turned by their positions."""
    kernel_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = GlorotUniform()
    """How the weights start."""
    bias_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Zeros()
    """How the biases start."""

    def attention(self, name: str, source: str, memory: str | None = None, causal: bool = False) -> tuple[Layer, ...]:
        """Return attention of the part `source` to itself, or to `memory`, with what stands around it."""
        layer = MultiHeadAttention(
            name=name, inputs=(source,), num_heads=self.num_heads, dropout=self.dropout, causal=causal,
            rotary=self.rotary and memory is None, **self._weights(),
        )  # fmt: skip
        return self._with_skip(name, source, (layer,), memory)

    def feed_forward(self, source: str, features: int) -> tuple[Layer, ...]:
        """Return the two dense layers, with what stands around them."""
        inner = Dense(name="dense_1", units=self.intermediate_dim, activation=self.activation, **self._weights())
        outer = Dense(name="dense_2", units=features, **self._weights())
        return self._with_skip("dense", source, (inner, outer))

    def _with_skip(
        self, name: str, source: str, layers: tuple[Layer, ...], memory: str | None = None
    ) -> tuple[Layer, ...]:
        """Return layers, the first of which takes `source` and `memory`, with normalisation, dropout and skip."""
        norm, start = self._normalization(f"{name}_norm", source), source
        before: tuple[Layer, ...] = ()
        if self.normalize_first:
            before, start = (norm,), f"{name}_norm"
        inputs = (start,) if memory is None else (start, memory)
        middle = (layers[0].model_copy(update={"inputs": inputs}), *layers[1:])
        if self.dropout:
            middle = (*middle, Dropout(name=f"{name}_dropout", rate=self.dropout))
        total = Add(name=f"{name}_add", inputs=(source, str(middle[-1].name)))
        after = () if self.normalize_first else (norm.model_copy(update={"inputs": (f"{name}_add",)}),)
        return (*before, *middle, total, *after)

    def _normalization(self, name: str, source: str) -> Layer:
        chosen = RMSNormalization if self.normalization == "rms_normalization" else LayerNormalization
        return chosen(name=name, inputs=(source,), epsilon=self.layer_norm_epsilon)

    def _weights(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("use_bias", "kernel_initializer", "bias_initializer")}
