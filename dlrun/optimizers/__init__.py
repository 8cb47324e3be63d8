"""The optimizers, one file each, and their registry."""

from dlrun.optimizers.adadelta import Adadelta
from dlrun.optimizers.adagrad import Adagrad
from dlrun.optimizers.adam import Adam
from dlrun.optimizers.adamw import AdamW
from dlrun.optimizers.base import Optimizer as Optimizer
from dlrun.optimizers.lion import Lion
from dlrun.optimizers.nadam import Nadam
from dlrun.optimizers.rmsprop import RMSprop
from dlrun.optimizers.sgd import SGD
from dlrun.registry import Registry

OPTIMIZERS: Registry[Optimizer] = Registry(
    "optimizer",
    (
        Adadelta,
        Adagrad,
        Adam,
        AdamW,
        Lion,
        Nadam,
        RMSprop,
        SGD,
    ),
)
