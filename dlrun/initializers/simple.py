"""Initializers that don't look at the fans."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dlrun.initializers.base import Initializer
from dlrun.initializers.variance_scaling import truncated_normal

if TYPE_CHECKING:
    from dlrun.layers.variable import Variable

Array = np.ndarray[Any, np.dtype[np.float64]]


class Zeros(Initializer):
    """All zero."""

    type: Literal["zeros"] = "zeros"

    def draw(self, variable: Variable, generator: np.random.Generator) -> Array:
        """Return zeros."""
        return np.zeros(variable.shape)


class Ones(Initializer):
    """All one."""

    type: Literal["ones"] = "ones"

    def draw(self, variable: Variable, generator: np.random.Generator) -> Array:
        """Return ones."""
        return np.ones(variable.shape)


class Constant(Initializer):
    """One value everywhere."""

    type: Literal["constant"] = "constant"
    value: float = 0.0
    """The value."""

    def draw(self, variable: Variable, generator: np.random.Generator) -> Array:
        """Return the value everywhere."""
        return np.full(variable.shape, self.value)


class RandomUniform(Initializer):
    """Uniform in [minimum, maximum)."""

    type: Literal["random_uniform"] = "random_uniform"
    minimum: float = -0.05
    """The least value."""
    maximum: float = 0.05
    """The upper end; at least the minimum."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum is greater than maximum: {self.minimum:g} > {self.maximum:g}")
        return self

    def draw(self, variable: Variable, generator: np.random.Generator) -> Array:
        """Return uniform values."""
        return generator.uniform(self.minimum, self.maximum, variable.shape)


class RandomNormal(Initializer):
    """Normal."""

    type: Literal["random_normal"] = "random_normal"
    mean: float = 0.0
    """The mean."""
    stddev: float = Field(default=0.05, ge=0)
    """The standard deviation."""

    def draw(self, variable: Variable, generator: np.random.Generator) -> Array:
        """Return normal values."""
        return generator.normal(self.mean, self.stddev, variable.shape)


class TruncatedNormal(Initializer):
    """Normal, with values beyond two standard deviations drawn again."""

    type: Literal["truncated_normal"] = "truncated_normal"
    mean: float = 0.0
    """The mean."""
    stddev: float = Field(default=0.05, ge=0)
    """The standard deviation."""

    def draw(self, variable: Variable, generator: np.random.Generator) -> Array:
        """Return truncated normal values."""
        return self.mean + self.stddev * truncated_normal(generator, variable.shape)


class Orthogonal(Initializer):
    """Orthonormal columns (or rows) times a gain: Saxe, McClelland & Ganguli (2014)."""

    type: Literal["orthogonal"] = "orthogonal"
    gain: float = 1.0
    """What the matrix is multiplied by."""

    def draw(self, variable: Variable, generator: np.random.Generator) -> Array:
        """Return the orthogonal factor of a normal matrix, all axes but the last taken as rows."""
        columns = variable.shape[-1]
        rows = prod(variable.shape[:-1])
        q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(variable.shape)
