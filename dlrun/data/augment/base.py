"""What every augmentation has in a config, and what the compiler asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.registry import Component

if TYPE_CHECKING:
    from dlrun.compiler.augment_calls import AugmentEmitter


class Augmentation(Component):
    """A random change of the training rows, made anew each time a row is used.

    A row's draw is a function of the run's seed, the augmentation's place in the list, the step and the row's place in
    the batch: neither threads nor an interruption can change it. Evaluation sees the rows as they are.
    """

    inputs: tuple[str, ...] | None = None
    """The names of the inputs that are changed; all images when left out."""

    def check(self, feature: Feature) -> None:
        """Raise ShapeError where the augmentation can't be applied to an input."""
        if len(feature.shape) != 3:
            raise ShapeError(
                f"{self.type} needs images of shape (height, width, channels), the input {feature.name!r} has shape "
                f"{feature.shape}",
                "inputs" if self.inputs else None,
            )

    def lower(self, emit: AugmentEmitter) -> None:
        """Emit the calls that change the rows of one input, in place."""
        raise TypeError(f"{type(self).__name__} emits nothing")
