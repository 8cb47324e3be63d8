"""What a sweep varies, how it searches, and what it looks for: the `sweep` section of a config."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dlrun.registry import ChosenBy, Component, Registry, Spec

Sampler = Literal["grid", "random", "tpe", "cmaes"]
Pruner = Literal["none", "median", "asha", "hyperband"]
Direction = Literal["auto", "minimize", "maximize"]
Positive = Annotated[int, Field(gt=0)]


class Parameter(Component):
    """A part of the config that a sweep varies, and the values that it may take."""

    when: dict[str, Any] = Field(default={})
    """Values of parameters before this one, or lists of them, without which this one isn't set: {optimizer.type: sgd}.
    """


class Choice(Parameter):
    """One of some values."""

    type: Literal["choice"] = "choice"
    values: tuple[Any, ...] = Field(min_length=1)
    """The values."""


class Uniform(Parameter):
    """A number from a range, each as probable as any other."""

    type: Literal["uniform"] = "uniform"
    low: float = Field(allow_inf_nan=False)
    """The least value."""
    high: float = Field(allow_inf_nan=False)
    """The largest value."""

    @model_validator(mode="after")
    def _ascends(self) -> Uniform:
        if not self.low < self.high:
            raise ValueError(f"the range must ascend, from {self.low:g} to more than that, not to {self.high:g}")
        return self


class Log(Uniform):
    """A positive number from a range, each order of magnitude as probable as any other."""

    type: Literal["log"] = "log"  # type: ignore[assignment]

    @model_validator(mode="after")
    def _is_positive(self) -> Log:
        if self.low <= 0:
            raise ValueError(f"a logarithmic range begins above 0, not at {self.low:g}")
        return self


class Int(Parameter):
    """A whole number from a range, in steps: low, low + step, ... up to high."""

    type: Literal["int"] = "int"
    low: int
    """The least value."""
    high: int
    """The largest value."""
    step: Positive = 1
    """What lies between a value and the next."""

    @model_validator(mode="after")
    def _ascends(self) -> Int:
        if not self.low < self.high:
            raise ValueError(f"the range must ascend, from {self.low} to more than that, not to {self.high}")
        if (self.high - self.low) % self.step:
            last = self.low + (self.high - self.low) // self.step * self.step
            raise ValueError(f"steps of {self.step} from {self.low} don't meet {self.high}: make it {last}")
        return self


PARAMETERS: Registry[Parameter] = Registry.of("parameter", (Choice, Uniform, Log, Int))
"""What a sweep may vary a value by."""


class SweepConfig(Spec):
    """A sweep: `dlrun sweep` trains the config once for each of many combinations of values."""

    parameters: dict[str, tuple[Any, ...] | str | Annotated[Parameter, ChosenBy(PARAMETERS)]] = Field(default={})
    """What varies, by its path: a list of values, or a range as in log(1e-4, 1e-1), uniform(0, 1), int(8, 64, 8)."""
    trials: Positive | None = None
    """How many combinations are tried; the whole grid when left out."""
    sampler: Sampler | None = None
    """How combinations are chosen; when left out a grid where all values are listed, else tpe."""
    pruner: Pruner = "none"
    """What ends a trial that promises little before its last epoch."""
    metric: str | None = None
    """What trials are compared by: validation/loss, or train/loss without validation rows, when left out."""
    direction: Direction = "auto"
    """Whether smaller or larger is better; auto knows it from the metric."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """What the sampler draws from."""
