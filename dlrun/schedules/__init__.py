"""The learning-rate schedules, one file each, and their registry."""

from dlrun.registry import Registry
from dlrun.schedules.base import Schedule
from dlrun.schedules.reduce_on_plateau import Plateau, ReduceOnPlateau

SCHEDULES: Registry[Schedule] = Registry(
    "schedule",
    {
        "constant": "constant:Constant",
        "cosine": "cosine:Cosine",
        "exponential": "exponential:Exponential",
        "one_cycle": "one_cycle:OneCycle",
        "polynomial": "polynomial:Polynomial",
        "reduce_on_plateau": "reduce_on_plateau:ReduceOnPlateau",
        "step": "step:Step",
    },
    synonyms={
        "step_lr": "step",
        "multi_step": "step",
        "exponential_decay": "exponential",
        "polynomial_decay": "polynomial",
        "cosine_decay": "cosine",
        "reduce_lr_on_plateau": "reduce_on_plateau",
    },
    package=__name__,
)

__all__ = ["SCHEDULES", "Plateau", "ReduceOnPlateau", "Schedule"]


def __getattr__(name: str) -> type[Schedule]:
    return SCHEDULES.attribute(name)
