"""What every initializer has: it draws an array from a seeded generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.registry import Component

if TYPE_CHECKING:
    from dlrun.layers.variable import Variable


class Initializer(Component):
    """How a weight starts."""

    def draw(self, variable: Variable, generator: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the start values of a variable, float64, of its shape."""
        raise TypeError(f"{type(self).__name__} draws nothing")
