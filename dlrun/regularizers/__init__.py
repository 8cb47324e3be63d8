"""Penalties on weights and constraints on them, and their registries."""

from dlrun.registry import Registry
from dlrun.regularizers.base import Constraint, Regularizer

__all__ = ["CONSTRAINTS", "REGULARIZERS", "Constraint", "Regularizer"]

REGULARIZERS: Registry[Regularizer] = Registry(
    "regularizer",
    {"l1": "penalties:L1", "l1_l2": "penalties:L1L2", "l2": "penalties:L2"},
    synonyms={"l1l2": "l1_l2"},
    package=__name__,
)
CONSTRAINTS: Registry[Constraint] = Registry(
    "constraint",
    {
        "max_norm": "constraints:MaxNorm",
        "min_max_norm": "constraints:MinMaxNorm",
        "non_neg": "constraints:NonNegative",
        "unit_norm": "constraints:UnitNorm",
    },
    synonyms={"maxnorm": "max_norm", "nonneg": "non_neg"},
    package=__name__,
)
