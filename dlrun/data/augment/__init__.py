"""The augmentations, one file each, and their registry."""

from dlrun.data.augment.base import Augmentation as Augmentation
from dlrun.data.augment.cutout import Cutout
from dlrun.data.augment.random_crop import RandomCrop
from dlrun.data.augment.random_flip import RandomFlip
from dlrun.data.augment.random_noise import RandomNoise
from dlrun.data.augment.random_rotation import RandomRotation
from dlrun.data.augment.random_shift import RandomShift
from dlrun.registry import Registry

AUGMENTATIONS: Registry[Augmentation] = Registry(
    "augmentation",
    (Cutout, RandomCrop, RandomFlip, RandomNoise, RandomRotation, RandomShift),
    synonyms={"gaussian_noise": "random_noise", "random_cutout": "cutout", "random_translation": "random_shift"},
)
