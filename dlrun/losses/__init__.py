"""The losses, one file each, and their registry."""

from dlrun.losses.base import Loss as Loss
from dlrun.losses.cross_entropy import CrossEntropy
from dlrun.registry import Registry

LOSSES: Registry[Loss] = Registry(
    "loss",
    (CrossEntropy,),
    synonyms={"categorical_crossentropy": "cross_entropy", "sparse_categorical_crossentropy": "cross_entropy"},
)
