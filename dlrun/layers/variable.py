"""The arrays that belong to a layer."""

from __future__ import annotations

from dataclasses import dataclass

from dlrun.initializers import Initializer
from dlrun.regularizers import Constraint, Regularizer


@dataclass(frozen=True)
class Variable:
    """An array of a layer: a weight, or (not trainable) a statistic it keeps.

    `fan_in` and `fan_out` are what initializers scale by (Glorot & Bengio 2010): how many inputs feed an output, and
    the reverse.
    """

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    fan_in: int = 1
    fan_out: int = 1
    trainable: bool = True
    regularizer: Regularizer | None = None
    constraint: Constraint | None = None
