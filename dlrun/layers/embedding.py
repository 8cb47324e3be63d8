"""Vectors for whole numbers: words, characters, users, categories."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.initializers import INITIALIZERS, Initializer, RandomUniform
from dlrun.kernels.embedding import embedding_backward, embedding_descend, embedding_forward, mask_of_ids
from dlrun.layers.base import Layer, MaskRule, Shape, shape_text
from dlrun.layers.variable import Variable
from dlrun.plan import ScratchSize
from dlrun.registry import ChosenBy, Spec
from dlrun.regularizers import REGULARIZERS, Regularizer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter

ENTRIES_OF_A_BLOCK = 1024
"""About so many entries of the table are handed to the optimizer at a time: they and its state stay in L1."""


class PretrainedVectors(Spec):
    """Vectors that were learned elsewhere, from which a table starts: GloVe, word2vec, fastText, or an array.

    In a text file a line is a word and its numbers; word2vec's first line is passed over, and a name in .gz unpacked.
    Words that the file lacks keep the initializer's values. The rows of an .npy, .npz or .safetensors file are those
    of the ids.
    """

    bare_field: ClassVar[str | None] = "path"

    path: str = Field(min_length=1)
    """The file; a relative path starts at the working folder, or at a folder of DLRUN_DATASETS."""
    tensor: str | None = None
    """Which array of a file of several is taken."""
    lowercase: bool = False
    """Whether a word that the file lacks takes the vector of its small letters."""
    sha256: str | None = None
    """The file's hash, which a run writes down; another file is refused."""


class Embedding(Layer):
    """Turns whole numbers from 0 to input_dim - 1 into vectors, the rows of a table that is trained.

    Inputs of shape (time,) become (time, output_dim), single ids (output_dim,). An id outside the table, or one that
    isn't whole, gives a vector of NaN, which stops training at that step.
    """

    type: Literal["embedding"] = "embedding"
    input_dim: int | None = Field(default=None, gt=0)
    """How many different ids there are; known from the data where the input is one of categories or tokens."""
    output_dim: int = Field(gt=0)
    """The length of a vector."""
    mask_zero: bool = False
    """Whether the id 0 is padding: layers that follow then leave such positions out."""
    embeddings_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = RandomUniform()
    """How the vectors start."""
    embeddings_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on the vectors."""
    weights: PretrainedVectors | None = None
    """A file of vectors that they start from."""

    reads_output: ClassVar[bool] = False
    passes_gradient: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "make"

    @property
    def starts_mask(self) -> bool:  # type: ignore[override]
        """Whether id 0 is padding."""
        return self.mask_zero

    @property
    def known_ids(self) -> int | None:
        """How many vectors there are."""
        return self.input_dim

    @property
    def pretrained(self) -> PretrainedVectors | None:
        """The file that they start from."""
        return self.weights

    def for_data(self, *features: Feature | None) -> Layer:
        """Return the layer with `input_dim` as the data say. Raises ShapeError where its own is too small."""
        feature = features[0]
        count = number_of_ids(feature) if feature is not None else None
        if count is None:
            return self
        if self.input_dim is None:
            return self.model_copy(update={"input_dim": count})
        if self.input_dim < count:
            assert feature is not None
            message = f"input_dim is {self.input_dim}, but the data input {feature.name!r} has {count} different ids"
            raise ShapeError(message, "input_dim", "leave it out: the data say how many there are")
        return self

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (..., output_dim) for ids of any shape."""
        if self.input_dim is None:
            help = "give input_dim, the largest id plus one; only inputs of categories or tokens say it themselves"
            raise ShapeError("embedding can't tell how many different ids there are", help=help)
        if self.mask_zero and len(inputs[0]) != 1:
            message = f"mask_zero needs a sequence of ids, of shape (time,), got {shape_text(inputs[0])}"
            raise ShapeError(message, "mask_zero", "leave mask_zero out")
        return (*inputs[0], self.output_dim)

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return embeddings (input_dim, output_dim)."""
        ids = self.input_dim or 0
        regularizer = self.embeddings_regularizer
        shape = (ids, self.output_dim)
        return (
            Variable(
                "embeddings", shape, self.embeddings_initializer, ids, self.output_dim, regularizer=regularizer
            ),
        )  # fmt: skip

    def next_position(self, *inputs: Shape) -> Layer | None:
        """Return the layer itself for sequences of ids."""
        return self if len(inputs[0]) == 1 else None

    def forward(self, emit: Emitter) -> None:
        """Emit the copies of the table's rows, unless the next layer reads the table itself, and the mask."""
        if not emit.node.is_looked_up:
            emit.call(
                embedding_forward, ids=emit.input, table=emit.variable("embeddings"), y=emit.output,
                flops=prod(emit.output_shape) * emit.batch, **self._sizes(emit),
            )  # fmt: skip
        if self.mask_zero:
            emit.call(mask_of_ids, ids=emit.input, mask=emit.new_mask, rows=emit.rows, places=emit.input_shapes[0][0])

    def backward(self, emit: Emitter) -> None:
        """Emit the table's gradient; ids have none."""
        update = emit.update("embeddings")
        if update is None:
            return
        assert self.input_dim is not None
        block = min(self.input_dim, max(1, ENTRIES_OF_A_BLOCK // self.output_dim))
        common: dict[str, Any] = {
            "ids": emit.input, "dy": emit.output_gradient,
            "first_places": emit.shared("first_places", self.input_dim, "int32"),
            "next_places": emit.shared("next_places", prod(emit.input_shapes[0]) * emit.batch, "int32"),
            "scratch": ScratchSize(block * self.output_dim), **self._sizes(emit),
        }  # fmt: skip
        flops = prod(emit.output_shape) * emit.batch
        if update.descent is not None:
            table, scalars = update.descent
            emit.call(embedding_descend, partition="split", flops=flops, table=table, scalars=scalars, **common)
        else:
            emit.call(embedding_backward, partition="split", flops=flops, gradient=update, block=block, **common)

    def _sizes(self, emit: Emitter) -> dict[str, Any]:
        assert self.input_dim is not None
        return {
            "rows": emit.rows, "places": prod(emit.input_shapes[0]), "count": self.input_dim, "width": self.output_dim
        }  # fmt: skip


def number_of_ids(feature: Feature) -> int | None:
    """Return how many different ids a data input of categories or tokens holds, or None where it doesn't say."""
    return len(feature.classes) if feature.kind in ("category", "labels", "sequence") and feature.classes else None
