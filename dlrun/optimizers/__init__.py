"""The optimizers, one file each, and their registry."""

from dlrun.optimizers.base import Optimizer
from dlrun.registry import Registry

OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", ())
