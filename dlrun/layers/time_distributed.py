"""A layer applied to each step of a sequence.

A part of the graph stands between `EachStep` and `AllSteps`: there a sample is a step, and a batch has rows * time of
them. Both are aliases, as (rows, time, ...) and (rows * time, ...) are the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from dlrun.errors import ShapeError
from dlrun.layers.activation import FunctionLayer
from dlrun.layers.base import Layer, Shape, TimeView, shape_text
from dlrun.layers.dense import Dense
from dlrun.layers.l2_normalize import L2Normalize
from dlrun.layers.layer_normalization import LayerNormalization
from dlrun.layers.rms_normalization import RMSNormalization
from dlrun.registry import ChosenBy, Registry

if TYPE_CHECKING:
    from dlrun.data.signature import Feature

OF_VECTORS = (Dense, FunctionLayer, L2Normalize, LayerNormalization, RMSNormalization)
"""Layers that take each vector along the last axis by itself: at each step they do what they do anyway."""


def _layers() -> Registry[Layer]:
    """Return the registry that has this file's layer too."""
    from dlrun.layers import LAYERS

    return LAYERS


class TimeDistributed(Layer):
    """Applies a layer, with the same weights, to each step of a sequence (time, ...).

    The layer sees steps as samples: a `conv2d` takes those of films (time, height, width, channels), an `lstm` those
    of lists of sentences (sentences, words, features). The output is (time, ...) with what it makes of a step.
    """

    type: Literal["time_distributed"] = "time_distributed"
    layer: Annotated[Layer, ChosenBy(_layers)]
    """The layer: any that takes one input and keeps nothing from one batch to the next."""

    def for_data(self, *features: Feature | None) -> Layer:
        """Return the layer with what the data tell the one inside."""
        return self.model_copy(update={"layer": self.layer.for_data(*features)})

    def parts(self, *inputs: Shape) -> tuple[Layer, ...]:
        """Return the layer between the views of the sequence by steps and as a whole; it alone if that is the same."""
        if not inputs[0]:
            raise ShapeError(f"time_distributed needs an input of shape (time, ...), got {shape_text(inputs[0])}")
        self._check()
        inner = self.layer.model_copy(update={"name": self.layer.name or self.layer.type})
        if isinstance(inner, OF_VECTORS) and len(inputs[0]) > 1:
            return (inner,)
        time, *step = inputs[0]
        try:
            inner.parts(tuple(step)) or inner.output_shape(tuple(step))
        except ShapeError as error:
            raise ShapeError(
                f"at each step of {shape_text(inputs[0])}: {error.message}", "layer", error.help
            ) from error
        return (EachStep(name="each_step", time=time), inner, AllSteps(name="all_steps", time=time))

    def _check(self) -> None:
        """Raise ShapeError where the layer can't be applied step by step."""
        layer = self.layer
        if layer.inputs is not None:
            message = "the layer inside takes the steps of time_distributed's input, but names inputs of its own"
            raise ShapeError(message, "layer", "give `inputs` to time_distributed")
        if layer.number_of_inputs[0] > 1:
            raise ShapeError(f"{layer.type} takes several inputs, and a step is one", "layer")
        if layer.twin_of is not None:
            raise ShapeError(
                "a shared layer has its own place in the graph", "layer", "share the time_distributed layer"
            )
        if layer.adds_loss is not None:
            raise ShapeError(f"{layer.type} adds a term to the loss for each sample, not for each step", "layer")
        if layer.keeps_state:
            message = (
                f"a stateful {layer.type} keeps its state from one batch to the next, and steps have no such order"
            )
            raise ShapeError(message, "layer", "leave stateful out")
        if layer.name in ("each_step", "all_steps"):
            raise ShapeError(f"the layer inside can't be named {layer.name!r}", "layer")


class EachStep(Layer):
    """Looks at the steps of a sequence as samples."""

    type: Literal["each_step"] = "each_step"
    time: int = Field(gt=0)
    """How many steps there are."""

    is_alias: ClassVar[bool] = True
    time_view: ClassVar[TimeView | None] = "each step"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of a step."""
        return inputs[0][1:]

    def samples_after(self, samples: int) -> int:
        """Return one for each step."""
        return samples * self.time

    def flops(self, *inputs: Shape) -> int:
        """Return 0."""
        return 0


class AllSteps(Layer):
    """Looks at samples as the steps of sequences."""

    type: Literal["all_steps"] = "all_steps"
    time: int = Field(gt=0)
    """How many steps there are."""

    is_alias: ClassVar[bool] = True
    time_view: ClassVar[TimeView | None] = "all steps"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (time, ...)."""
        return (self.time, *inputs[0])

    def samples_after(self, samples: int) -> int:
        """Return one for the steps of each sequence."""
        return samples // self.time

    def flops(self, *inputs: Shape) -> int:
        """Return 0."""
        return 0
