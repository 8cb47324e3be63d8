"""Initializers whose variance is set by how many inputs and outputs a weight connects."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from dlrun.initializers.base import Initializer

if TYPE_CHECKING:
    from dlrun.layers.variable import Variable

TRUNCATED_STD = 0.87962566103423978
"""The standard deviation of a standard normal cut off at ±2."""


def truncated_normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return normal values of which those beyond 2 standard deviations are drawn again."""
    values = generator.standard_normal(shape)
    while (beyond := np.abs(values) > 2).any():
        values[beyond] = generator.standard_normal(int(beyond.sum()))
    return values


class VarianceScaling(Initializer):
    """Zero mean, and a variance of scale / fan."""

    scale: ClassVar[float] = 1.0
    fan: ClassVar[Literal["in", "out", "average"]] = "in"
    normal: ClassVar[bool] = False

    def draw(self, variable: Variable, generator: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return uniform values in ±sqrt(3 scale / fan), or truncated normal ones of the same variance."""
        fans = {"in": variable.fan_in, "out": variable.fan_out, "average": (variable.fan_in + variable.fan_out) / 2}
        variance = self.scale / max(1.0, fans[self.fan])
        if self.normal:
            return truncated_normal(generator, variable.shape) * (sqrt(variance) / TRUNCATED_STD)
        limit = sqrt(3 * variance)
        return generator.uniform(-limit, limit, variable.shape)


class GlorotUniform(VarianceScaling):
    """Glorot & Bengio (2010), equation 16: uniform, variance 2 / (fan_in + fan_out)."""

    type: Literal["glorot_uniform"] = "glorot_uniform"
    fan: ClassVar[Literal["in", "out", "average"]] = "average"


class GlorotNormal(VarianceScaling):
    """Glorot & Bengio (2010): truncated normal, variance 2 / (fan_in + fan_out)."""

    type: Literal["glorot_normal"] = "glorot_normal"
    fan: ClassVar[Literal["in", "out", "average"]] = "average"
    normal: ClassVar[bool] = True


class HeUniform(VarianceScaling):
    """He et al. (2015), for rectifiers: uniform, variance 2 / fan_in."""

    type: Literal["he_uniform"] = "he_uniform"
    scale: ClassVar[float] = 2.0


class HeNormal(VarianceScaling):
    """He et al. (2015), equation 10, for rectifiers: truncated normal, variance 2 / fan_in."""

    type: Literal["he_normal"] = "he_normal"
    scale: ClassVar[float] = 2.0
    normal: ClassVar[bool] = True


class LecunUniform(VarianceScaling):
    """LeCun et al. (1998), for tanh and selu: uniform, variance 1 / fan_in."""

    type: Literal["lecun_uniform"] = "lecun_uniform"


class LecunNormal(VarianceScaling):
    """LeCun et al. (1998), for tanh and selu: truncated normal, variance 1 / fan_in."""

    type: Literal["lecun_normal"] = "lecun_normal"
    normal: ClassVar[bool] = True
