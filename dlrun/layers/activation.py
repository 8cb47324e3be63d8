"""An activation as a layer of its own; layers with an `activation` field are followed by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from dlrun.activations import ACTIVATIONS, Activation
from dlrun.layers.base import Layer, Shape
from dlrun.registry import ChosenBy

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Emitter


class ActivationLayer(Layer):
    """Applies an activation function."""

    type: Literal["activation"] = "activation"
    activation: Annotated[Activation, ChosenBy(ACTIVATIONS)]
    """The function."""

    @property
    def is_in_place(self) -> bool:  # type: ignore[override]
        """Whether the function's derivative is known from its output alone."""
        return self.activation.saves == "output" and not self.activation.along_last_axis

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape."""
        return inputs[0]

    def _call(self, emit: Emitter, which: str, **buffers: Any) -> None:
        size = 1
        for extent in emit.output_shape:
            size *= extent
        arguments: dict[str, Any] = {**buffers, "rows": emit.rows, "size": size}
        if self.activation.along_last_axis:
            arguments["width"] = emit.output_shape[-1]
        for name in self.activation.parameters:
            arguments[name] = float(getattr(self.activation, name))
        emit.call(getattr(self.activation, which), flops=size * emit.batch, **arguments)

    def forward(self, emit: Emitter) -> None:
        """Emit y = f(x)."""
        self._call(emit, "forward", x=emit.input, y=emit.output)

    def backward(self, emit: Emitter) -> None:
        """Emit dx = dy * f'(x)."""
        dx = emit.input_gradient()
        if dx is not None:
            saved = emit.output if self.activation.saves == "output" else emit.input
            self._call(emit, "backward", saved=saved, dy=emit.output_gradient, dx=dx)


class Activated(Layer):
    """A layer with an `activation` field."""

    activation: Annotated[Activation, ChosenBy(ACTIVATIONS)] | None = None
    """The function applied to the output; none when left out."""

    def followed_by(self) -> Layer | None:
        """Return the activation as a layer."""
        if self.activation is None or self.activation.type == "linear":
            return None
        return ActivationLayer(name=self.activation.type, activation=self.activation)
