"""How weights start: the initializers and their registry."""

from dlrun.initializers.base import Initializer
from dlrun.initializers.simple import Constant, Ones, Orthogonal, RandomNormal, RandomUniform, TruncatedNormal, Zeros
from dlrun.initializers.variance_scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
)
from dlrun.registry import Registry

__all__ = [
    "INITIALIZERS",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "Zeros",
]

INITIALIZERS: Registry[Initializer] = Registry.of(
    "initializer",
    (
        Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, LecunNormal, LecunUniform, Ones, Orthogonal,
        RandomNormal, RandomUniform, TruncatedNormal, Zeros,
    ),
    synonyms={
        "kaiming_normal": "he_normal",
        "kaiming_uniform": "he_uniform",
        "xavier_normal": "glorot_normal",
        "xavier_uniform": "glorot_uniform",
    },
)  # fmt: skip
