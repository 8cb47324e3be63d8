"""How weights start: the initializers and their registry."""

from dlrun.initializers.base import Initializer as Initializer
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

INITIALIZERS: Registry[Initializer] = Registry(
    "initializer",
    (
        Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, LecunNormal, LecunUniform, Ones, Orthogonal,
        RandomNormal, RandomUniform, TruncatedNormal, Zeros,
    ),
)  # fmt: skip
