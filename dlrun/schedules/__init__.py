"""The learning-rate schedules, one file each, and their registry."""

from dlrun.registry import Registry
from dlrun.schedules.base import Schedule
from dlrun.schedules.constant import Constant
from dlrun.schedules.cosine import Cosine
from dlrun.schedules.exponential import Exponential
from dlrun.schedules.one_cycle import OneCycle
from dlrun.schedules.polynomial import Polynomial
from dlrun.schedules.reduce_on_plateau import Plateau, ReduceOnPlateau
from dlrun.schedules.step import Step

SCHEDULES: Registry[Schedule] = Registry(
    "schedule",
    (Constant, Step, Exponential, Polynomial, Cosine, OneCycle, ReduceOnPlateau),
    synonyms={
        "step_lr": "step",
        "multi_step": "step",
        "exponential_decay": "exponential",
        "polynomial_decay": "polynomial",
        "cosine_decay": "cosine",
        "reduce_lr_on_plateau": "reduce_on_plateau",
    },
)

__all__ = ["SCHEDULES", "Plateau", "ReduceOnPlateau", "Schedule"]
