"""The few parts that the compared networks are made of, in words that every library has.

Nothing of dlrun is imported here: the other libraries' processes load this module, and their starts are timed.
"""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, ...]
"""The shape of one sample, without the batch; channels or features last."""


class Unsupported(Exception):
    """A contender can't build this network, or isn't installed: why, in a line."""


@dataclass(frozen=True)
class Part:
    """A layer. Weights have Keras's names and shapes: kernels (rows, columns, inputs, outputs), (inputs, units)."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output."""
        return shape

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return the names and shapes of what it learns, or keeps: names with "moving_" are not trained."""
        return {}


@dataclass(frozen=True)
class Convolution(Part):
    """A square convolution with strides of 1 over images (height, width, channels), and perhaps a ReLU."""

    filters: int
    size: int
    padding: str = "valid"
    bias: bool = True
    relu: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        """Return (height, width, filters)."""
        lost = 0 if self.padding == "same" else self.size - 1
        return (shape[0] - lost, shape[1] - lost, self.filters)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return the kernel, and the bias if it has one."""
        kernel: dict[str, Shape] = {"kernel": (self.size, self.size, shape[-1], self.filters)}
        return kernel | ({"bias": (self.filters,)} if self.bias else {})


@dataclass(frozen=True)
class MaxPool(Part):
    """The largest entry of each square window; windows don't overlap."""

    size: int

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape with fewer rows and columns."""
        return (shape[0] // self.size, shape[1] // self.size, shape[2])


@dataclass(frozen=True)
class GlobalAveragePool(Part):
    """The mean of each channel."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return (channels,)."""
        return shape[-1:]


@dataclass(frozen=True)
class BatchNorm(Part):
    """Batch normalisation; `momentum` is the share of the moving statistics that is kept, as in Keras."""

    momentum: float
    epsilon: float

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return scale, shift, and the moving statistics."""
        return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), shape[-1:])


@dataclass(frozen=True)
class LayerNorm(Part):
    """Layer normalisation over the last axis."""

    epsilon: float

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return scale and shift."""
        return dict.fromkeys(("gamma", "beta"), shape[-1:])


@dataclass(frozen=True)
class Relu(Part):
    """max(x, 0)."""


@dataclass(frozen=True)
class Add(Part):
    """The sum of two outputs of the same shape."""


@dataclass(frozen=True)
class Flatten(Part):
    """Makes one axis of all."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return (features,)."""
        size = 1
        for extent in shape:
            size *= extent
        return (size,)


@dataclass(frozen=True)
class Dense(Part):
    """A fully connected layer along the last axis, with a ReLU or without."""

    units: int
    relu: bool

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape with `units` features."""
        return (*shape[:-1], self.units)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return kernel and bias."""
        return {"kernel": (shape[-1], self.units), "bias": (self.units,)}


@dataclass(frozen=True)
class Embedding(Part):
    """A vector for each id: (length) → (length, width)."""

    vocabulary: int
    width: int

    def output_shape(self, shape: Shape) -> Shape:
        """Return (length, width)."""
        return (*shape, self.width)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return the table."""
        return {"embeddings": (self.vocabulary, self.width)}


@dataclass(frozen=True)
class Positions(Part):
    """Adds a learned vector for each position."""

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return the table."""
        return {"embeddings": shape}


@dataclass(frozen=True)
class Lstm(Part):
    """A long short-term memory, gates in the order input, forget, cell, output; its last state, or all of them."""

    units: int
    sequences: bool = False

    def output_shape(self, shape: Shape) -> Shape:
        """Return (units,), or (length, units)."""
        return (shape[0], self.units) if self.sequences else (self.units,)

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return the kernels of the input and of the state, and one bias."""
        gates = 4 * self.units
        return {"kernel": (shape[-1], gates), "recurrent_kernel": (self.units, gates), "bias": (gates,)}


@dataclass(frozen=True)
class TransformerBlock(Part):
    """Causal self-attention and two dense layers, each after a layer normalisation and added to its input (GPT-2).

    `activation` is "relu", "gelu", or "gelu_tanh", GELU's usual approximation.
    """

    heads: int
    hidden: int
    activation: str
    epsilon: float

    def weights(self, shape: Shape) -> dict[str, Shape]:
        """Return all weights: queries, keys and values lie side by side in one kernel."""
        width = shape[-1]
        normalisations = dict.fromkeys(("gamma_1", "beta_1", "gamma_2", "beta_2"), (width,))
        return {
            **normalisations,
            "qkv_kernel": (width, 3 * width), "qkv_bias": (3 * width,),
            "output_kernel": (width, width), "output_bias": (width,),
            "up_kernel": (width, self.hidden), "up_bias": (self.hidden,),
            "down_kernel": (self.hidden, width), "down_bias": (width,),
        }  # fmt: skip


PARTS: dict[str, type[Part]] = {kind.__name__: kind for kind in Part.__subclasses__()}
"""Every kind of part by its name."""
