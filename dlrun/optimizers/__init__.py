"""The optimizers, one file each, and their registry."""

from dlrun.optimizers.base import Optimizer as Optimizer
from dlrun.registry import Registry

OPTIMIZERS: Registry[Optimizer] = Registry(
    "optimizer",
    {
        "adadelta": "adadelta:Adadelta",
        "adagrad": "adagrad:Adagrad",
        "adam": "adam:Adam",
        "adamw": "adamw:AdamW",
        "lion": "lion:Lion",
        "nadam": "nadam:Nadam",
        "rmsprop": "rmsprop:RMSprop",
        "sgd": "sgd:SGD",
    },
    package=__name__,
)


def __getattr__(name: str) -> type[Optimizer]:
    return OPTIMIZERS.attribute(name)
