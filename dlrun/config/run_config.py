"""A whole run: what a config file describes."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from dlrun.config.anomaly_config import AnomalyConfig
from dlrun.config.repeat import LAYER_CHOICES
from dlrun.config.sweep_config import SweepConfig
from dlrun.config.training_config import TrainingConfig
from dlrun.data.config import DataConfig
from dlrun.layers.base import Layer
from dlrun.losses import LOSSES, Loss
from dlrun.metrics import METRICS, Metric
from dlrun.optimizers import OPTIMIZERS, Optimizer
from dlrun.registry import ChosenBy, Spec
from dlrun.schedules import SCHEDULES, Schedule
from dlrun.tracking import TRACKERS, Tracker

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names that are safe as part of a folder's name everywhere."""


def constant_schedule() -> Schedule:
    """Return the schedule of a config that names none: the learning rate stays as it is."""
    return SCHEDULES["constant"].model_validate({})


def safe_name(name: str) -> str:
    """Return a run's name. Raises ValueError for one that can't be part of a folder's name."""
    if not NAME.fullmatch(name):
        raise ValueError(f"'{name}' can't name a folder: letters, digits, '.', '_' and '-' can, at most 100")
    return name


RunName = Annotated[str, AfterValidator(safe_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$"})]


class ModelConfig(Spec):
    """The network: its layers in an order in which each follows the layers that it takes its inputs from."""

    layers: tuple[Annotated[Layer, ChosenBy(LAYER_CHOICES)], ...] = Field(min_length=1)
    """The layers. Each takes the output of the one before it, unless it names its `inputs`."""
    outputs: dict[str, str] | None = None
    """The layer that predicts each target, by target. When left out: the layer of the target's own name where there are
    several targets, the last layer where there is one."""


class InitializeFrom(Spec):
    """Where the weights start: a trained network's, as far as names and shapes agree."""

    bare_field: ClassVar[str | None] = "path"

    path: str = Field(min_length=1)
    """A run (its folder, its name, or 'latest'), or a .safetensors file."""
    layers: tuple[str, ...] | None = None
    """The names of the layers whose weights are taken; all that fit when left out."""
    freeze: tuple[str, ...] = ()
    """The names of the layers that are not trained any further."""


class RunConfig(Spec):
    """A whole run, from data to trained network."""

    name: RunName = "run"
    """What the run's folder is named after; the file's name when left out."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """What all random numbers are drawn from: the same seed gives the same weights, to the bit."""
    precision: Literal["float32", "float64"] = "float32"
    """The type of all real numbers in the network."""
    data: DataConfig
    """The data, and what becomes of them before they reach the network."""
    model: ModelConfig
    """The network."""
    loss: Annotated[Loss, ChosenBy(LOSSES)] | dict[str, Annotated[Loss, ChosenBy(LOSSES)]]
    """What training minimises; of several targets the sum of their losses, by target, each times its weight."""
    optimizer: Annotated[Optimizer, ChosenBy(OPTIMIZERS)]
    """How the weights follow the gradient."""
    schedule: Annotated[Schedule, ChosenBy(SCHEDULES)] = Field(default_factory=constant_schedule)
    """How the learning rate moves; it stays the same when left out."""
    metrics: (
        tuple[Annotated[Metric, ChosenBy(METRICS)], ...] | dict[str, tuple[Annotated[Metric, ChosenBy(METRICS)], ...]]
    ) = ()
    """What is measured besides the loss, on the training and validation rows; of several targets a list for each."""
    training: TrainingConfig = TrainingConfig()
    """How long and in what steps the network is trained."""
    anomaly: AnomalyConfig | None = None
    """How `dlrun detect` finds rows that don't look like the others; its defaults when left out."""
    initialize_from: InitializeFrom | None = None
    """The trained network whose weights this one starts from."""
    tracking: Annotated[Tracker, ChosenBy(TRACKERS)] | None = None
    """Where the run is followed from elsewhere; TensorBoard's events are written in any case."""
    sweep: SweepConfig | None = None
    """What `dlrun sweep` varies, and how it searches."""

    def metrics_of(self, target: str) -> tuple[Metric, ...]:
        """Return what is measured of a target."""
        return self.metrics.get(target, ()) if isinstance(self.metrics, dict) else self.metrics

    def all_metrics(self) -> list[tuple[str, Metric]]:
        """Return every metric with what its name begins with: the target's where there are several."""
        if not isinstance(self.metrics, dict):
            return [("", metric) for metric in self.metrics]
        several = len(self.data.targets) > 1
        return [
            (f"{target}/" if several else "", metric) for target, metrics in self.metrics.items() for metric in metrics
        ]
