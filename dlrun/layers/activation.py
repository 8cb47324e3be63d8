"""Activations as layers of their own; layers with an `activation` field are followed by one."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import create_model

from dlrun.activations import ACTIVATIONS, Activation
from dlrun.layers.base import Layer, MaskRule, Shape
from dlrun.registry import ChosenBy

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class FunctionLayer(Layer):
    """A layer that applies an activation function."""

    mask_rule: ClassVar[MaskRule] = "pass"
    is_by_position: ClassVar[bool] = True

    @property
    def function(self) -> Activation:
        """The function."""
        raise TypeError(f"{type(self).__name__} has no function")

    @property
    def is_in_place(self) -> bool:  # type: ignore[override]
        """Whether the function's derivative is known from its output alone."""
        return self.function.saves == "output" and not self.function.along_last_axis

    @property
    def reads_output(self) -> bool:  # type: ignore[override]
        """Whether the derivative is made from the output."""
        return self.function.saves == "output"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def _call(self, emit: Emitter, which: str, **buffers: Any) -> None:
        size = prod(emit.output_shape)
        arguments: dict[str, Any] = {**buffers, "rows": emit.rows, "size": size}
        if self.function.along_last_axis:
            arguments["width"] = emit.output_shape[-1]
        for name in self.function.parameters:
            arguments[name] = float(getattr(self.function, name))
        emit.call(getattr(self.function, which), flops=size * emit.batch, **arguments)

    def forward(self, emit: Emitter) -> None:
        """Emit y = f(x)."""
        self._call(emit, "forward", x=emit.input, y=emit.output)

    def backward(self, emit: Emitter) -> None:
        """Emit dx = dy * f'(x)."""
        dx = emit.input_gradient()
        if dx is not None:
            saved = emit.output if self.function.saves == "output" else emit.input
            self._call(emit, "backward", saved=saved, dy=emit.output_gradient, dx=dx)


class ActivationLayer(FunctionLayer):
    """Applies an activation function."""

    type: Literal["activation"] = "activation"
    activation: Annotated[Activation, ChosenBy(ACTIVATIONS)]
    """The function."""

    @property
    def function(self) -> Activation:
        """The function."""
        return self.activation


class NamedFunctionLayer(FunctionLayer):
    """An activation whose name is the layer's: its fields are the layer's too."""

    @property
    def function(self) -> Activation:
        """The function of the layer's name, with the layer's fields."""
        chosen = ACTIVATIONS[self.type]
        return chosen(**{name: getattr(self, name) for name in chosen.model_fields})


def layer_of(activation: type[Activation]) -> type[NamedFunctionLayer]:
    """Return the layer class that stands for an activation in a list of layers: `relu`, `{type: elu, alpha: 0.5}`."""
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in activation.model_fields.items()}
    layer = create_model(
        f"{activation.__name__}Layer", __base__=NamedFunctionLayer, __doc__=activation.__doc__, __module__=__name__,
        **fields,
    )  # fmt: skip
    layer.aliases = activation.aliases
    return layer


class Activated(Layer):
    """A layer with an `activation` field."""

    activation: Annotated[Activation, ChosenBy(ACTIVATIONS)] | None = None
    """The function applied to the output; none when left out."""

    def followed_by(self) -> Layer | None:
        """Return the activation as a layer."""
        if self.activation is None or self.activation.type == "linear":
            return None
        return ActivationLayer(name=self.activation.type, activation=self.activation)
