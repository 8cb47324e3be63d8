"""What layers with a kernel and a bias have in common."""

from __future__ import annotations

from typing import Annotated, ClassVar

from dlrun.initializers import INITIALIZERS, GlorotUniform, Initializer, Zeros
from dlrun.layers.activation import Activated
from dlrun.layers.base import Shape
from dlrun.layers.variable import Variable
from dlrun.registry import ChosenBy
from dlrun.regularizers import CONSTRAINTS, REGULARIZERS, Constraint, Regularizer


class Weighted(Activated):
    """A layer whose outputs are weighted sums of its inputs, plus a bias."""

    use_bias: bool = True
    """Whether a bias is added."""
    kernel_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = GlorotUniform()
    """How the weights start."""
    bias_initializer: Annotated[Initializer, ChosenBy(INITIALIZERS)] = Zeros()
    """How the bias starts."""
    kernel_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on the weights."""
    bias_regularizer: Annotated[Regularizer, ChosenBy(REGULARIZERS)] | None = None
    """A penalty on the bias."""
    kernel_constraint: Annotated[Constraint, ChosenBy(CONSTRAINTS)] | None = None
    """A condition on the weights of each output."""

    reads_output: ClassVar[bool] = False
    fuses_relu: ClassVar[bool] = True
    kernel_ends_in_outputs: ClassVar[bool] = True

    def kernel_and_bias(self, shape: Shape, fan_in: int, fan_out: int, biases: int) -> tuple[Variable, ...]:
        """Return the variables: a kernel of this shape, and so many biases if there is a bias."""
        kernel = Variable(
            "kernel", shape, self.kernel_initializer, fan_in, fan_out,
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint,
        )  # fmt: skip
        bias = Variable("bias", (biases,), self.bias_initializer, regularizer=self.bias_regularizer)
        return (kernel, bias) if self.use_bias else (kernel,)
