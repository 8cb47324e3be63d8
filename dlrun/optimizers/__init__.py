"""The optimizers, one file each, and their registry."""

from dlrun.optimizers.adam import Adam
from dlrun.optimizers.base import Optimizer as Optimizer
from dlrun.optimizers.sgd import SGD
from dlrun.registry import Registry

OPTIMIZERS: Registry[Optimizer] = Registry(
    "optimizer",
    (
        Adam,
        SGD,
    ),
)
