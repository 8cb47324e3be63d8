"""The losses, one file each, and their registry."""

from dlrun.losses.base import Loss as Loss
from dlrun.losses.binary_cross_entropy import BinaryCrossEntropy
from dlrun.losses.bpr import BPR
from dlrun.losses.categorical_hinge import CategoricalHinge
from dlrun.losses.cross_entropy import CrossEntropy
from dlrun.losses.hinge import Hinge
from dlrun.losses.huber import Huber
from dlrun.losses.kl_divergence import KLDivergence
from dlrun.losses.log_cosh import LogCosh
from dlrun.losses.mae import MAE
from dlrun.losses.mse import MSE
from dlrun.losses.poisson import Poisson
from dlrun.registry import Registry

LOSSES: Registry[Loss] = Registry(
    "loss",
    (
        BPR,
        BinaryCrossEntropy,
        CategoricalHinge,
        CrossEntropy,
        Hinge,
        Huber,
        KLDivergence,
        LogCosh,
        MAE,
        MSE,
        Poisson,
    ),
    synonyms={
        "binary_crossentropy": "binary_cross_entropy",
        "categorical_crossentropy": "cross_entropy",
        "huber_loss": "huber",
        "kl_div": "kl_divergence",
        "kullback_leibler_divergence": "kl_divergence",
        "kld": "kl_divergence",
        "logcosh": "log_cosh",
        "mean_absolute_error": "mae",
        "mean_squared_error": "mse",
        "sparse_categorical_crossentropy": "cross_entropy",
    },
)
