"""Penalties on weights and constraints on them, and their registries."""

from dlrun.registry import Registry
from dlrun.regularizers.base import Constraint, Regularizer
from dlrun.regularizers.constraints import MaxNorm, MinMaxNorm, NonNegative, UnitNorm
from dlrun.regularizers.penalties import L1, L1L2, L2

__all__ = ["CONSTRAINTS", "REGULARIZERS", "Constraint", "Regularizer"]

REGULARIZERS: Registry[Regularizer] = Registry.of("regularizer", (L1, L1L2, L2), synonyms={"l1l2": "l1_l2"})
CONSTRAINTS: Registry[Constraint] = Registry.of(
    "constraint", (MaxNorm, MinMaxNorm, NonNegative, UnitNorm), synonyms={"maxnorm": "max_norm", "nonneg": "non_neg"}
)
