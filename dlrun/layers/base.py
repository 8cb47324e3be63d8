"""What every layer has in a config, and what the compiler asks of it."""

# No `from __future__ import annotations`: Pydantic would evaluate these annotations' texts anew for each layer.

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from dlrun.errors import ShapeError
from dlrun.layers.variable import Variable
from dlrun.registry import Component

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter
    from dlrun.data.signature import Feature
    from dlrun.layers.embedding import PretrainedVectors

Shape = tuple[int, ...]
"""The shape of one sample: the batch is left out."""
TimeView = Literal["each step", "all steps"]
"""How a layer only looks at its input: at a sequence's steps as samples, or at such samples as sequences again."""
MaskRule = Literal["drop", "pass", "merge", "make"]
"""What a layer's output has for a mask, which tells a sequence's real positions from padding.

drop   none
pass   that of the first input
merge  that of the first input that has one
make   its own: the layer writes `emit.new_mask`, or leaves it unwritten and has none
"""


class Layer(Component):
    """A layer of the network.

    A subclass gives, in this order: its fields, `output_shape`, `variables` if it has any, `forward` and `backward`
    (which emit kernel calls), and its kernels. A block, made of other layers, gives its fields and its `parts`.
    """

    name: str | None = None
    """By which other layers, overrides and messages refer to this layer."""
    inputs: tuple[str, ...] | None = None
    """The names of the layers or data inputs it takes; the previous layer when left out."""
    trainable: bool = True
    """Whether its weights are trained; false freezes them."""

    number_of_inputs: ClassVar[tuple[int, int | None]] = (1, 1)
    """How many inputs it takes: the least and the most (None: any number)."""
    reads_output: ClassVar[bool] = True
    """Whether `backward` reads the layer's output; if not, an activation may overwrite it."""
    fuses_relu: ClassVar[bool] = False
    """Whether `forward` can apply a ReLU as it stores (`emit.floor`)."""
    is_alias: ClassVar[bool] = False
    """Whether the output is the input's numbers in another shape: no kernel is called."""
    is_in_place: ClassVar[bool] = False
    """Whether the output may overwrite the input, and the input's gradient the output's, element by element."""
    passes_gradient: ClassVar[bool] = True
    """Whether the output has a derivative by the inputs: a table of vectors has none by the ids."""
    input_names: ClassVar[tuple[str, ...]] = ("input",)
    """What the parts of a block call the block's inputs."""
    mask_rule: ClassVar[MaskRule] = "drop"
    """What mask the output has: only a layer that keeps the order of time can pass one on."""
    starts_mask: ClassVar[bool] = False
    """Whether it makes a mask where its inputs have none."""
    time_view: ClassVar[TimeView | None] = None
    """Whether it is but another view of its input, and which."""
    kernel_ends_in_outputs: ClassVar[bool] = False
    """Whether the kernel's last axes count the outputs, of which each has a column of weights then."""
    adds_loss: ClassVar[str | None] = None
    """What the term is called that the layer adds to the loss, as in train/NAME, if it adds one.

    `forward` then writes each sample's term to `emit.added_losses` where `emit.counts_losses` says so, and `backward`
    adds the term's gradient, weight x term / rows for each sample, to those of the inputs.
    """
    is_by_position: ClassVar[bool] = False
    """Whether inference makes each position of a sequence (time, features) from this one alone, all in the same way."""
    is_bounded: ClassVar[bool] = False
    """Whether the layer knows no more positions than the sequences have that it was made for."""
    references: ClassVar[tuple[str, ...]] = ()
    """The fields that name a layer before this one, whose weights it shares."""
    twin_of: ClassVar[str | None] = None
    """The name of the layer that this one stands for: that layer once more, with its fields and its weights."""

    def for_data(self, *features: "Feature | None") -> "Layer":
        """Return the layer with what the data inputs it takes tell it; None stands for an input from another layer.

        Raises ShapeError where a field contradicts them.
        """
        return self

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the output. Raises ShapeError where the layer can't take these inputs."""
        raise TypeError(f"{type(self).__name__} gives no output shape")

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return the arrays that belong to the layer: weights, and statistics that it keeps."""
        return ()

    def borrows(self) -> Mapping[str, tuple[str, str]]:
        """Return the arrays of other layers that it computes with: (layer, its variable) by this layer's own name."""
        return {}

    def for_weights(self, borrowed: Mapping[str, Shape], *inputs: Shape) -> "Layer":
        """Return the layer with what the shapes of the arrays that it borrows tell it.

        Raises ShapeError where a field or an input contradicts them.
        """
        return self

    def parts(self, *inputs: Shape) -> "tuple[Layer, ...]":
        """Return the layers that a block stands for, each with a name; none for a layer that is one itself.

        A part's `inputs` name parts before it, or the block's own inputs by their names in `input_names`; left out,
        they are the part before (the block's first input for the first part). The last part's output is the block's.
        Raises ShapeError where the block can't take these inputs.
        """
        return ()

    @property
    def keeps_state(self) -> bool:
        """Whether it keeps a state from one batch to the next, in which each row goes on where that before it ended."""
        return False

    @property
    def folded_epsilon(self) -> float | None:
        """The epsilon of a normalisation by moving statistics, which in inference the layer before can take in.

        It is then (x - moving_mean) / sqrt(moving_variance + epsilon) * gamma + beta for each channel, by its
        variables, without those that it lacks.
        """
        return None

    @property
    def known_ids(self) -> int | None:
        """How many ids it knows, from 0, if that is what its input holds."""
        return None

    @property
    def pretrained(self) -> "PretrainedVectors | None":
        """The file whose vectors its `embeddings` start from, if there is one."""
        return None

    def followed_by(self) -> "Layer | None":
        """Return the activation layer that the layer's `activation` field stands for, if any."""
        return None

    def is_alias_when(self, training: bool) -> bool:
        """Return whether the layer is an alias in training, or in inference: dropout is one there."""
        return self.is_alias

    def samples_after(self, samples: int) -> int:
        """Return how many samples of the output a row of the batch has, if it has so many of the input."""
        return samples

    def flops(self, *inputs: Shape) -> int:
        """Return the floating-point operations of one sample's forward pass."""
        return prod(self.output_shape(*inputs))

    def next_position(self, *inputs: Shape) -> "Layer | None":
        """Return the layer that in inference takes the next position of sequences, (1, ...), with the same variables.

        It keeps what it needs of the positions before. None where an output depends on positions behind its own.
        """
        return self if self.is_by_position and all(len(shape) > 1 for shape in inputs) else None

    def forward(self, emit: "Emitter") -> None:
        """Emit the calls that compute the output."""
        raise TypeError(f"{type(self).__name__} has no forward pass")

    def backward(self, emit: "Emitter") -> None:
        """Emit the calls that compute the gradients of the inputs (where wanted) and of the variables."""
        raise TypeError(f"{type(self).__name__} has no backward pass")


def expect_rank(layer: Layer, shape: Shape, rank: int, meaning: str) -> None:
    """Raise ShapeError unless a sample has so many dimensions."""
    if len(shape) != rank:
        raise ShapeError(
            f"{layer.type} needs an input of shape {meaning}, got {shape_text(shape)}",
            help="add a flatten or reshape layer before it" if len(shape) > rank else None,
        )


def shape_text(shape: Shape) -> str:
    """Return a shape as messages show it: (28, 28, 1)."""
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
