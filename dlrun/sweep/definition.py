"""What a sweep is: a config, what varies in it, and how it is searched. A pure function of files and arguments."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dlrun.config.load import LoadedConfig, Tree, load_tree, read_tree
from dlrun.config.node import plain
from dlrun.config.overrides import apply_override
from dlrun.config.problems import LocatedConfigError, failure
from dlrun.config.resolve import resolved_yaml, yaml_text
from dlrun.config.sweep_config import SweepConfig
from dlrun.errors import UsageError
from dlrun.sweep.arguments import read_arguments
from dlrun.sweep.section import KEY, read_section, without_section
from dlrun.sweep.space import Assignment, Parameter, Range, Space, Value

HEADER = "# A sweep, whole: dlrun sweep starts it anew, dlrun sweep resume FOLDER goes on with it.\n"
KEY_LENGTH = 12
"""Hex digits of a trial's name."""
MOST_KEPT = 256
"""Configs that are kept: each is asked for several times, when it is checked, claimed and trained."""
MOST_CORNERS = 64
"""Combinations of listed values and ranges' ends that are checked before a search begins."""


@dataclass(frozen=True)
class Sweep:
    """A sweep's definition. `base` is the config without its `sweep` section; `settings` have no parameters."""

    base: Tree
    space: Space
    settings: SweepConfig

    @property
    def sampler(self) -> str:
        """How combinations are chosen."""
        return self.settings.sampler or ("grid" if self.space.is_listed else "tpe")

    @property
    def maximizes(self) -> bool:
        """Whether larger values are better."""
        return self.settings.direction == "maximize"

    @property
    def prunes(self) -> bool:
        """Whether trials may end before their last epoch."""
        return self.settings.pruner != "none"

    @cached_property
    def grid_size(self) -> int:
        """How many combinations a grid has."""
        return sum(1 for _ in self.space.grid())

    @property
    def trials(self) -> int:
        """How many combinations are to be tried."""
        if self.sampler != "grid":
            assert self.settings.trials is not None
            return self.settings.trials
        return min(self.grid_size, self.settings.trials or self.grid_size)

    @cached_property
    def name(self) -> str:
        """The config's name."""
        return self.config_of(next(self.combinations())).config.name

    def combinations(self) -> Iterator[dict[str, Value]]:
        """Yield the combinations that are checked before the first trial: of a grid all."""
        return self.space.grid() if self.sampler == "grid" else self.space.corners(MOST_CORNERS)

    def config_of(self, assignment: Assignment) -> LoadedConfig:
        """Return the config of a trial; its text is the resolved config. Raises LocatedConfigError."""
        key = repr(tuple(assignment.items()))  # 1 and true are equal, and aren't the same
        if key not in self._configs:
            if len(self._configs) >= MOST_KEPT:
                self._configs.clear()
            root = self.base.root
            for name, value in assignment.items():
                root = apply_override(root, self.space[name].override(value))
            loaded = load_tree(replace(self.base, root=root))
            self._configs[key] = replace(loaded, text=resolved_yaml(loaded.config).encode())
        return self._configs[key]

    @cached_property
    def _configs(self) -> dict[str, LoadedConfig]:
        return {}

    def to_yaml(self) -> str:
        """Return the sweep as a config with a `sweep` section, on which nothing else has any influence."""
        values = {"name": self.name, **plain(self.base.root)}
        settings = {name: value for name, value in self.settings.model_dump().items() if name != "parameters"}
        parameters = {parameter.name: parameter.to_plain() for parameter in self.space.parameters}
        section = {"parameters": parameters} | {k: v for k, v in settings.items() if v is not None}
        return HEADER + yaml_text({**values, KEY: section})

    def identity(self) -> str:
        """Return a digest of all that decides about the trials but how many they are."""
        settings = {**self.settings.model_dump(), "trials": None, "sampler": self.sampler}
        parameters = {parameter.name: parameter.to_plain() for parameter in self.space.parameters}
        content = [plain(self.base.root), parameters, settings]
        return hashlib.sha256(json.dumps(content, default=repr).encode()).hexdigest()


def key_of(loaded: LoadedConfig) -> str:
    """Return the name of the trial with a config from `Sweep.config_of`: a part of the hash of its resolved form."""
    return hashlib.sha256(loaded.text).hexdigest()[:KEY_LENGTH]


def read_sweep(path: str | os.PathLike[str], arguments: Sequence[str], options: Mapping[str, Any]) -> Sweep:
    """Read a sweep from a config file, arguments and options (the fields of SweepConfig; None where not given).

    Raises: LocatedConfigError, UsageError.
    """
    given = read_arguments(arguments)
    tree = read_tree(path, given.overrides)
    if tree.problems:
        raise LocatedConfigError(tree.problems, tree.source.name)
    section = read_section(tree.root, tree.source.name)
    fixed = {text.partition("=")[0] for text in given.overrides}
    named = {parameter.name for parameter in given.parameters}
    kept = [each for each in section.parameters if each.name not in named | fixed]
    settings = section.config.model_copy(
        update={"parameters": {}, **{name: value for name, value in options.items() if value is not None}}
    )
    base = replace(tree, root=without_section(tree.root))
    sweep = Sweep(base, Space((*kept, *given.parameters)), settings)
    _check_space(sweep)
    return sweep


def _check_space(sweep: Sweep) -> None:
    """Raise UsageError or LocatedConfigError where parameters, sampler and budget don't fit."""
    parameters, settings = sweep.space.parameters, sweep.settings
    if not parameters:
        way_out = "write path=a,b,c or path='log(1e-4,1e-1)' after the config, or a sweep section into it"
        raise UsageError("nothing varies in this sweep", way_out)
    seen: dict[str, Parameter] = {}
    for parameter in parameters:
        if parameter.name in seen:
            raise failure(
                parameter.steps[0].span, f"{parameter.name} is varied twice", "give it once, with all its values"
            )
        for condition in parameter.when:
            if condition.name not in seen:
                message = f"{parameter.name} depends on {condition.name}, which doesn't vary any more"
                raise failure(parameter.span, message, f"fix {parameter.name} as well, or leave both to vary")
        seen[parameter.name] = parameter
    endless = sweep.space.endless()
    if sweep.sampler == "grid" and endless:
        message = f"a grid can't list every value of {endless[0].name}"
        raise failure(endless[0].span, message, "list its values, or take the sampler random, tpe or cmaes")
    ranges = [each for each in parameters if isinstance(each.domain, Range)]
    if sweep.sampler != "grid" and settings.trials is None:
        why = f"{ranges[0].name} is a range" if ranges else f"the sampler {sweep.sampler} has no end"
        raise UsageError(f"how many trials? {why}", "add --trials 20")
