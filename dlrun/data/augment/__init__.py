"""The augmentations, one file each, and their registry."""

from dlrun.data.augment.base import Augmentation
from dlrun.registry import Registry

AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", ())
