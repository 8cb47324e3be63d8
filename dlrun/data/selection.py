"""Which columns of the source make which input and target; every name that is wrong, at its place."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlrun.data.config import DataConfig, InputConfig, TargetConfig
from dlrun.data.negatives import PLACE
from dlrun.data.sources.base import Column
from dlrun.errors import ConfigError, Path, Problem

TEXTS = ("text", "tiny_shakespeare", "names")
"""Sources that may hold nothing but text."""


@dataclass(frozen=True)
class Chosen:
    """The columns of one input or target, its config, and its place for messages."""

    columns: tuple[str, ...]
    config: InputConfig | TargetConfig
    path: Path


@dataclass(frozen=True)
class Selection:
    """Columns by input and by target; `shared` are targets that are inputs, by target."""

    inputs: Mapping[str, Chosen]
    targets: Mapping[str, Chosen]
    shared: Mapping[str, str]
    weights: str | None
    sort_by: str | None
    group: str | None

    @property
    def wanted(self) -> tuple[str, ...]:
        """Every column that is needed, once each."""
        names = [name for chosen in (*self.inputs.values(), *self.targets.values()) for name in chosen.columns]
        names += [name for name in (self.weights, self.sort_by, self.group) if name is not None]
        return tuple(dict.fromkeys(names))


def select(config: DataConfig, outline: Mapping[str, Column | None], default_target: str | None) -> Selection:
    """Resolves the names of a config against a source's columns; raises ConfigError with every problem."""
    problems = _about_negatives(config)
    targets, shared = _targets(config, default_target, problems)
    for name, path in _named(config, targets):
        if name not in outline:
            problems.append(_unknown_column(name, tuple(outline), path))
    # A series' own past is what its future is predicted from: there a target's column is an input's too.
    used = {name for chosen in targets.values() for name in chosen.columns if config.window is None}
    used |= {name for name in (config.sample_weights, config.split.sort_by, config.split.group) if name is not None}
    if shared and default_target is not None and config.window is None:
        # an autoencoder's input shall not hold the labels
        used.add(default_target)
    inputs = _inputs(config, outline, used, problems)
    for name, origin in shared.items():
        if origin not in inputs and not problems:
            path = (*_target_path(config, name), "input")
            problems.append(Problem(path, f"there is no input {origin!r}", _nearest(origin, tuple(inputs), "inputs")))
    if problems:
        raise ConfigError(problems)
    return Selection(inputs, targets, shared, config.sample_weights, config.split.sort_by, config.split.group)


def _about_negatives(config: DataConfig) -> list[Problem]:
    """What doesn't go with negatives."""
    negatives = config.negatives
    if negatives is None:
        return []
    names = tuple(config.inputs or ())
    problems = [
        Problem((*PLACE, field), f"there is no input {name!r}", _nearest(name, names, "inputs"))
        for field, name in (("user", negatives.user), ("item", negatives.item))
        if name not in names
    ]
    others = {"target": config.target, "window": config.window, "resample": config.resample}
    for field, value in others.items():
        if value is not None:
            message = f"{field} doesn't go with negatives: what is predicted is whether a user chose an item"
            problems.append(Problem(("data", field), message, f"leave {field} out, or negatives"))
    return problems


def _targets(
    config: DataConfig, default: str | None, problems: list[Problem]
) -> tuple[dict[str, Chosen], dict[str, str]]:
    targets: dict[str, Chosen] = {}
    shared: dict[str, str] = {}
    for name, target in config.targets.items():
        path = _target_path(config, name)
        if target.input is not None:
            shared[name] = target.input
        elif target.columns is not None:
            targets[name] = Chosen(target.columns, target, path)
        elif target.column is not None or default is not None:
            targets[name] = Chosen((target.column or str(default),), target, path)
        else:
            place = path if config.target is not None else ("data", "source")
            message = f"a {config.source.type} source doesn't say which column is to be predicted"
            help = "add `target: {column: NAME}` to the section data"
            if config.source.type in TEXTS:
                help += ", or for a language model `target: {input: text, shift: 1}`"
            problems.append(Problem(place, message, help=help))
    return targets, shared


def _named(config: DataConfig, targets: Mapping[str, Chosen]) -> list[tuple[str, Path]]:
    """Every column that the config names, with the place of the name."""
    named: list[tuple[str, Path]] = []
    for name, given in (config.inputs or {}).items():
        named += [(column, ("data", "inputs", name, "columns", i)) for i, column in enumerate(given.columns or ())]
    for chosen in targets.values():
        several = isinstance(chosen.config, TargetConfig) and chosen.config.columns is not None
        named += [
            (column, (*chosen.path, "columns", i) if several else (*chosen.path, "column"))
            for i, column in enumerate(chosen.columns)
        ]
    if config.sample_weights is not None:
        named.append((config.sample_weights, ("data", "sample_weights")))
    for field in ("sort_by", "group"):
        column = getattr(config.split, field)
        if column is not None:
            named.append((column, ("data", "split", field)))
    return named


def _inputs(
    config: DataConfig, outline: Mapping[str, Column | None], used: set[str], problems: list[Problem]
) -> dict[str, Chosen]:
    if config.inputs is None:
        return _default_inputs(config, outline, used, problems)
    named = {column for given in config.inputs.values() for column in given.columns or ()}
    inputs = {}
    for name, given in config.inputs.items():
        path: Path = ("data", "inputs", name)
        columns = given.columns
        if columns is None:
            columns = (name,) if name in outline else _rest(outline, used | named)
        if not columns:
            problems.append(Problem(path, f"input {name!r} has no columns", help=f"columns: {', '.join(outline)}"))
        inputs[name] = Chosen(columns, given, path)
    return inputs


def _default_inputs(
    config: DataConfig, outline: Mapping[str, Column | None], used: set[str], problems: list[Problem]
) -> dict[str, Chosen]:
    """One input for each column of arrays, under its own name, and one, "features", for all single numbers.

    Those of a series are called "window".
    """
    path: Path = ("data", "source")
    inputs = {
        name: Chosen((name,), InputConfig(), path)
        for name, column in outline.items()
        if column is not None and column.shape and name not in used
    }
    rest = _rest(outline, used | set(inputs))
    if rest:
        inputs["features" if config.window is None else "window"] = Chosen(rest, InputConfig(), path)
    if not inputs:
        problems.append(Problem(path, "no column is left for the network's input", help="the target uses all of them"))
    return inputs


def _rest(outline: Mapping[str, Column | None], used: set[str]) -> tuple[str, ...]:
    """The unused columns that can stand side by side: all single values, or else the first column of arrays."""
    free = [(name, column) for name, column in outline.items() if name not in used]
    single = tuple(name for name, column in free if column is None or column.shape == ())
    return single or tuple(name for name, _ in free[:1])


def _target_path(config: DataConfig, name: str) -> Path:
    return ("data", "target", name) if isinstance(config.target, dict) else ("data", "target")


def _unknown_column(name: str, names: Sequence[str], path: Path) -> Problem:
    return Problem(path, f"there is no column {name!r}", _nearest(name, names, "columns"))


def _nearest(name: str, names: Sequence[str], what: str) -> str:
    folded = {other.casefold(): other for other in names}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    listed = f"{what}: {', '.join(names[:30])}" + (", ..." if len(names) > 30 else "")
    return f"did you mean {folded[near[0]]!r}? {listed}" if near else listed
