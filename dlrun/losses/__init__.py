"""The losses, one file each, and their registry."""

from dlrun.losses.base import Loss as Loss
from dlrun.registry import Registry

LOSSES: Registry[Loss] = Registry(
    "loss",
    {
        "binary_cross_entropy": "binary_cross_entropy:BinaryCrossEntropy",
        "bpr": "bpr:BPR",
        "categorical_hinge": "categorical_hinge:CategoricalHinge",
        "cross_entropy": "cross_entropy:CrossEntropy",
        "hinge": "hinge:Hinge",
        "huber": "huber:Huber",
        "kl_divergence": "kl_divergence:KLDivergence",
        "log_cosh": "log_cosh:LogCosh",
        "mae": "mae:MAE",
        "mse": "mse:MSE",
        "poisson": "poisson:Poisson",
    },
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
    package=__name__,
)


def __getattr__(name: str) -> type[Loss]:
    return LOSSES.attribute(name)
