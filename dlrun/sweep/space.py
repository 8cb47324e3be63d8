"""The space that a sweep searches: parameters, the values they may take, and the conditions under which they exist."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlrun.config.node import Node, plain
from dlrun.config.overrides import Override, Step
from dlrun.config.resolve import flow
from dlrun.config.source import Span

Value = str | int | float
Assignment = Mapping[str, Value]
"""A value for each parameter that exists, by its name: numbers of ranges, and the YAML text of listed values.

Texts, because 1, 1.0 and true are equal in Python but not in a config.
"""


@dataclass(frozen=True)
class Values:
    """Some values, as nodes by their YAML texts."""

    options: Mapping[str, Node]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included: "uniform", "log" or, in steps, "int"."""

    kind: str
    low: float
    high: float
    step: int = 1

    def ends(self) -> tuple[float, float]:
        """Return the least and the largest value."""
        return self.low, self.high


@dataclass(frozen=True)
class Condition:
    """Another parameter's values (YAML texts): without one of them this parameter doesn't exist."""

    name: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Parameter:
    """What is varied. `name` is its path as written, `steps` the way there, `span` its place."""

    name: str
    steps: tuple[Step, ...]
    domain: Values | Range
    span: Span
    when: tuple[Condition, ...] = ()

    def exists(self, assignment: Assignment) -> bool:
        """Return whether the parameter is set where those before it have these values."""
        return all(each.name in assignment and assignment[each.name] in each.texts for each in self.when)

    def override(self, value: Value) -> Override:
        """Return what sets the parameter to a value."""
        if isinstance(self.domain, Values):
            return Override(self.steps, self.domain.options[str(value)])
        return Override(self.steps, Node(value, self.span))

    def plain_value(self, value: Value) -> Any:
        """Return a value as a config has it."""
        return plain(self.domain.options[str(value)]) if isinstance(self.domain, Values) else value

    def grid(self) -> Sequence[Value] | None:
        """Return every value; None where there are too many to tell."""
        if isinstance(self.domain, Values):
            return list(self.domain.options)
        if self.domain.kind == "int":
            return range(int(self.domain.low), int(self.domain.high) + 1, self.domain.step)
        return None

    def extremes(self) -> Sequence[Value]:
        """Return every listed value, or the ends of a range."""
        return list(self.domain.options) if isinstance(self.domain, Values) else self.domain.ends()

    def to_plain(self) -> dict[str, Any]:
        """Return the parameter as a `sweep` section has it."""
        if isinstance(self.domain, Values):
            found: dict[str, Any] = {"type": "choice", "values": [plain(node) for node in self.domain.options.values()]}
        else:
            found = {"type": self.domain.kind, "low": self.domain.low, "high": self.domain.high}
            found |= {"step": self.domain.step} if self.domain.kind == "int" else {}
        when = {each.name: [_read(text) for text in each.texts] for each in self.when}
        return found | ({"when": when} if when else {})


@dataclass(frozen=True)
class Space:
    """Parameters in the order in which they are chosen: conditions name earlier ones."""

    parameters: tuple[Parameter, ...]

    def __getitem__(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)

    @property
    def is_listed(self) -> bool:
        """Whether every value is listed: then the space is a grid."""
        return all(isinstance(parameter.domain, Values) for parameter in self.parameters)

    def endless(self) -> list[Parameter]:
        """Return the parameters whose values a grid can't list."""
        return [parameter for parameter in self.parameters if parameter.grid() is None]

    def grid(self) -> Iterator[dict[str, Value]]:
        """Yield every combination, the last parameter changing fastest."""
        return self._combinations({p.name: p.grid() or () for p in self.parameters})

    def corners(self, most: int) -> Iterator[dict[str, Value]]:
        """Yield combinations of listed values and ranges' ends: all, or where they are more than `most`, every value of
        each parameter beside the first ones of the others."""
        extremes = {parameter.name: parameter.extremes() for parameter in self.parameters}
        if math.prod(map(len, extremes.values())) <= most:
            yield from self._combinations(extremes)
            return
        for name in extremes:
            yield from self._combinations(
                {n: v if n == name else self._firsts(name, n, v) for n, v in extremes.items()}
            )

    def _firsts(self, varied: str, name: str, values: Sequence[Value]) -> Sequence[Value]:
        """Return the first value, or those under which the parameter that is varied exists."""
        needed = [text for each in self[varied].when if each.name == name for text in each.texts]
        return needed or values[:1]

    def _combinations(self, values: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Value]]:
        def extend(assignment: dict[str, Value], index: int) -> Iterator[dict[str, Value]]:
            if index == len(self.parameters):
                yield assignment
                return
            parameter = self.parameters[index]
            if not parameter.exists(assignment):
                yield from extend(assignment, index + 1)
                return
            for value in values[parameter.name]:
                yield from extend({**assignment, parameter.name: value}, index + 1)

        return extend({}, 0)

    def plain_values(self, assignment: Assignment) -> dict[str, Any]:
        """Return the values of a combination as a config has them."""
        return {name: self[name].plain_value(value) for name, value in assignment.items()}

    def labels(self) -> dict[str, str]:
        """Return for each parameter the least of its path's end that no other parameter ends in."""
        names = [parameter.name for parameter in self.parameters]
        found = {}
        for name in names:
            parts = name.split(".")
            least = 2 if parts[-1] == "type" else 1
            ends = (".".join(parts[-count:]) for count in range(least, len(parts) + 1))
            found[name] = next(
                (end for end in ends if sum(f".{each}".endswith(f".{end}") for each in names) == 1), name
            )
        return found

    def text(self, assignment: Assignment) -> str:
        """Return a combination as people read it: optimizer.type=adam learning_rate=0.00123."""
        labels = self.labels()
        return " ".join(f"{labels[name]}={short(value)}" for name, value in assignment.items())


def short(value: Value) -> str:
    """Return a value as tables show it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def text_of(node: Node) -> str:
    """Return the YAML text that stands for a listed value."""
    return flow(plain(node))


def identity(assignment: Assignment) -> str:
    """Return a text that two combinations share exactly where they are the same."""
    return json.dumps(dict(sorted(assignment.items())))


def _read(text: str) -> Any:
    from dlrun.config.document import parse_text
    from dlrun.config.source import Source

    parsed = parse_text(Source("value", text))
    return None if parsed is None else plain(parsed.root)
