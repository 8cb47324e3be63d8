"""The losses, one file each, and their registry."""

from dlrun.losses.base import Loss
from dlrun.registry import Registry

LOSSES: Registry[Loss] = Registry("loss", ())
