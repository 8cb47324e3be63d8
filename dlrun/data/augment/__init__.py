"""The augmentations, one file each, and their registry."""

from dlrun.data.augment.base import Augmentation as Augmentation
from dlrun.registry import Registry

AUGMENTATIONS: Registry[Augmentation] = Registry(
    "augmentation",
    {
        "cutout": "cutout:Cutout",
        "random_crop": "random_crop:RandomCrop",
        "random_flip": "random_flip:RandomFlip",
        "random_noise": "random_noise:RandomNoise",
        "random_rotation": "random_rotation:RandomRotation",
        "random_shift": "random_shift:RandomShift",
    },
    synonyms={"gaussian_noise": "random_noise", "random_cutout": "cutout", "random_translation": "random_shift"},
    package=__name__,
)


def __getattr__(name: str) -> type[Augmentation]:
    return AUGMENTATIONS.attribute(name)
