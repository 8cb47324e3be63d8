"""The losses, one file each, and their registry."""

from dlrun.losses.base import Loss as Loss
from dlrun.losses.binary_cross_entropy import BinaryCrossEntropy
from dlrun.losses.cross_entropy import CrossEntropy
from dlrun.losses.mse import MSE
from dlrun.registry import Registry

LOSSES: Registry[Loss] = Registry(
    "loss",
    (
        BinaryCrossEntropy,
        CrossEntropy,
        MSE,
    ),
    synonyms={
        "binary_crossentropy": "binary_cross_entropy",
        "categorical_crossentropy": "cross_entropy",
        "mean_squared_error": "mse",
        "sparse_categorical_crossentropy": "cross_entropy",
    },
)
