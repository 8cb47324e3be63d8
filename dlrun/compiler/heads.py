"""The network's heads: each output with the target that it learns, and by which loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dlrun.data.signature import Signature
from dlrun.losses.base import Loss

Losses = Loss | Mapping[str, Loss]
"""The loss of the only target, or the losses by target."""


@dataclass(frozen=True)
class Head:
    """One target and its loss. `name` is the target's where there are several, and empty where there is one."""

    target: str
    loss: Loss
    name: str = ""

    @property
    def place(self) -> str:
        """What the names of the head's buffers begin with."""
        return f"loss/{self.name}/" if self.name else ""

    @property
    def node(self) -> str:
        """What the plan calls the head's loss."""
        return f"{self.name}/{self.loss.type}" if self.name else self.loss.type

    @property
    def predictions(self) -> str:
        """What the head's predictions are collected as."""
        return f"predictions/{self.name}" if self.name else "predictions"

    @property
    def part(self) -> str | None:
        """The name under which the head's own loss is reported; None where it is the whole loss."""
        return f"{self.name}/loss" if self.name else None


def heads_of(losses: Losses | None, signature: Signature) -> tuple[Head, ...]:
    """Return the heads of a network in the order of its losses; a single loss is that of the first target."""
    if losses is None:
        return ()
    if isinstance(losses, Loss):
        return (Head(next(iter(signature.targets), "target"), losses),)
    several = len(losses) > 1
    return tuple(Head(target, loss, target if several else "") for target, loss in losses.items())
