"""What the normalisations have in common: the fields and variables of their scale and shift."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dlrun.initializers import INITIALIZERS, Initializer, Ones, Zeros
from dlrun.layers.base import Layer, MaskRule, Shape
from dlrun.layers.variable import Variable
from dlrun.registry import ChosenBy
from dlrun.regularizers import REGULARIZERS, Regularizer


class Normalization(Layer):
    """A layer that gives its input mean 0 and variance 1 in some sense, then multiplies by gamma and adds beta."""

    aliases: ClassVar = {"eps": "epsilon"}

    axis: Literal[-1] = -1
    """The axis of the channels: the last."""
    epsilon: float = Field(default=1e-3, gt=0)
    """What is added to the variance, so that it isn't 0."""
    center: bool = True
    """Whether beta is added."""
    scale: bool = True
    """Whether the result is multiplied by gamma."""
    beta_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Zeros()
    """How beta starts."""
    gamma_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Ones()
    """How gamma starts."""
    beta_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on beta."""
    gamma_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on gamma."""

    reads_output: ClassVar[bool] = False
    mask_rule: ClassVar[MaskRule] = "pass"
    is_by_position: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def variables(self, *inputs: Shape) -> tuple[Variable, ...]:
        """Return gamma and beta, each (channels,), as far as they are wanted."""
        shape = inputs[0][-1:]
        gamma = Variable("gamma", shape, self.gamma_initializer, regularizer=self.gamma_regularizer)
        beta = Variable("beta", shape, self.beta_initializer, regularizer=self.beta_regularizer)
        return tuple(variable for variable, is_wanted in ((gamma, self.scale), (beta, self.center)) if is_wanted)
