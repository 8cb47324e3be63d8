"""A small config language of its own, so that the mechanics are tested whatever components there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field, field_validator, model_validator

from dlrun.config.build import Builder
from dlrun.config.document import Document, parse_file
from dlrun.config.grammar import Record
from dlrun.config.normalise import Normaliser
from dlrun.config.overrides import apply_overrides
from dlrun.config.problems import LocatedConfigError
from dlrun.config.source import Source
from dlrun.registry import ChosenBy, Component, Registry, Spec


class Start(Component):
    """How something starts."""


class Zeros(Start):
    """All zero."""

    type: Literal["zeros"] = "zeros"


class Constant(Start):
    """All the same."""

    type: Literal["constant"] = "constant"
    value: float = Field(default=0.0, le=10)
    """The value."""


STARTS: Registry[Start] = Registry.of("initializer", (Zeros, Constant))


class Animal(Component):
    """An animal."""

    aliases: ClassVar[Mapping[str, str | tuple[str, ...]]] = {"lr": "speed"}

    name: str | None = None
    """What it answers to."""
    speed: float = Field(default=1.0, gt=0)
    """The speed in metres a second. More is faster."""


class Cat(Animal):
    """A cat.

    It sleeps most of the day.
    """

    type: Literal["cat"] = "cat"
    lives: int = Field(gt=0, lt=10)
    """The number of lives that are left."""
    naps: int | tuple[int, int] = 3
    """Naps a day, or by day and by night."""
    mood: Literal["calm", "cross"] = "calm"
    """Its mood."""
    start: Annotated[Start, ChosenBy(STARTS)] = Zeros()
    """How it starts."""
    end: Annotated[Start, ChosenBy(STARTS)] | None = None
    """Whether it ends."""


class Fish(Animal):
    """A fish."""

    type: Literal["fish"] = "fish"
    aliases: ClassVar[Mapping[str, str | tuple[str, ...]]] = {"betas": ("beta_1", "beta_2")}

    beta_1: float = 0.5
    beta_2: float = 0.25
    wet: bool = True
    friends: tuple[Annotated[Component, ChosenBy(lambda: ANIMALS)], ...] = ()
    scales: tuple[tuple[int, int], ...] = Field(default=(), max_length=2)

    @model_validator(mode="after")
    def _ordered(self) -> Fish:
        if self.beta_2 > self.beta_1:
            raise ValueError("beta_2 must not exceed beta_1")
        return self


class Stone(Component):
    """No animal, but it may stand among them."""

    type: Literal["stone"] = "stone"


ANIMALS: Registry[Component] = Registry.of("animal", (Cat, Fish, Stone), {"feline": "cat", "Fish": "fish"})


class Keeper(Spec):
    """Who looks after them."""

    bare_field: ClassVar[str | None] = "name"

    name: str = Field(min_length=1)
    shifts: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """The hours of each day."""

    @field_validator("name")
    @classmethod
    def _no_robot(cls, name: str) -> str:
        if name == "robot":
            raise ValueError("a robot can't keep animals")
        return name


class Zoo(Spec):
    """A zoo."""

    animals: tuple[Annotated[Component, ChosenBy(ANIMALS)], ...] = Field(min_length=1)
    """Who lives there."""
    star: Annotated[Component, ChosenBy(ANIMALS)] | None = None
    keeper: Keeper | None = None
    keepers: Keeper | dict[str, Keeper] | None = None
    size: Annotated[int, Field(gt=0)] | Literal["full"] = 1
    """The area."""
    prices: dict[int, float] = Field(default_factory=dict)
    extra: list[str] = Field(default_factory=list)
    ratio: float = Field(default=0.5, allow_inf_nan=False)
    label: str = ""


def load_zoo(text: str, *overrides: str) -> Zoo:
    """Validate a text; raises LocatedConfigError."""
    parsed = parse_file(Source("zoo.yaml", text))
    root, located = apply_overrides(parsed.root, overrides)
    normaliser = Normaliser()
    root = normaliser.normalise(root, Record(Zoo))
    builder = Builder()
    zoo: Any = builder.record(root, Zoo)
    located += [*parsed.problems, *normaliser.problems, *Document(root, "zoo.yaml").locate(builder.problems).located]
    if located:
        raise LocatedConfigError(located, "zoo.yaml")
    assert isinstance(zoo, Zoo)
    return zoo


def zoo_report(text: str, *overrides: str) -> list[str]:
    """The lines that are printed for a text, without the count."""
    with pytest.raises(LocatedConfigError) as caught:
        load_zoo(text, *overrides)
    return caught.value.render().splitlines()[:-1]
