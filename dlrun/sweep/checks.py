"""Every value of a sweep is checked before its first trial starts: the schema, and shapes against the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dlrun.config.load import LoadedConfig
from dlrun.config.problems import Located, LocatedConfigError
from dlrun.config.source import Source, Span
from dlrun.errors import UsageError
from dlrun.metrics import direction_of
from dlrun.sweep.cost import Signatures
from dlrun.sweep.definition import Sweep, key_of
from dlrun.sweep.space import Assignment
from dlrun.training import fit
from dlrun.training.monitors import expects_validation, is_measured
from dlrun.training.run import reach_tracker


def check(sweep: Sweep) -> Sweep:
    """Check every combination of a grid, or listed values and ranges' ends; return the sweep with its metric chosen.

    Raises: LocatedConfigError with all problems, at the values that cause them; UsageError; DataError, MissingExtra;
    TrackingError.
    """
    found: dict[tuple[Span, str], list[Located]] = {}
    tried = 0
    signatures = Signatures()
    keys: dict[str, Assignment] = {}
    first: LoadedConfig | None = None
    for assignment in sweep.combinations():
        tried += 1
        try:
            loaded = sweep.config_of(assignment)
            fit.validate(loaded, signatures.of(loaded))
        except LocatedConfigError as error:
            for one in error.located:
                found.setdefault((one.span, one.problem.message), []).append(_in_trial(sweep, assignment, one))
            continue
        first = first or loaded
        _expect_another(sweep, keys, key_of(loaded), assignment)
    if found or first is None:
        raise LocatedConfigError(_once(found, tried), sweep.base.source.name)
    reach_tracker(first)
    return _with_metric(sweep, first)


def _once(found: Mapping[tuple[Span, str], list[Located]], tried: int) -> Iterator[Located]:
    """Yield each problem once: as the first combination has it, or without any if all of them have it."""
    for (_, message), ones in found.items():
        first = ones[0]
        yield replace(first, problem=replace(first.problem, message=message)) if len(ones) == tried else first


def _in_trial(sweep: Sweep, assignment: Assignment, one: Located) -> Located:
    """Return a problem with the combination that has it, unless its place says so: a value that is varied."""
    if one.span.source in _sources(sweep):
        return one
    message = f"{one.problem.message} (where {sweep.space.text(assignment)})"
    return replace(one, problem=replace(one.problem, message=message))


def _sources(sweep: Sweep) -> Iterator[Source]:
    return (parameter.span.source for parameter in sweep.space.parameters)


def _expect_another(sweep: Sweep, keys: dict[str, Assignment], key: str, assignment: Assignment) -> None:
    """Raise UsageError where two combinations of a grid are the same config, spelled in two ways."""
    if sweep.sampler == "grid" and key in keys:
        both = f"{sweep.space.text(keys[key])} and {sweep.space.text(assignment)}"
        raise UsageError(f"these are the same config: {both}", "take one of the values out")
    keys[key] = assignment


def _with_metric(sweep: Sweep, loaded: LoadedConfig) -> Sweep:
    """Return the sweep with its metric and direction written out. Raises UsageError for one that isn't measured."""
    config, settings = loaded.config, sweep.settings
    validates = expects_validation(config)
    metric = settings.metric or ("train/loss" if validates is False else "validation/loss")
    split, _, label = metric.partition("/")
    metrics = [each for _, each in config.all_metrics()]
    if split not in ("train", "validation") or not is_measured(config, label):
        known = ["loss", *(f"{prefix}{each.label()}" for prefix, each in config.all_metrics())]
        raise UsageError(
            f"nothing is measured under the name {metric!r}", f"train/ or validation/ with {', '.join(known)}"
        )
    if split == "validation" and validates is False:
        raise UsageError(f"the metric is {metric!r}, but there are no validation rows", "set data.split.validation")
    direction = settings.direction
    if direction == "auto":
        direction = "maximize" if direction_of(metric, metrics) == "max" else "minimize"
    return replace(sweep, settings=settings.model_copy(update={"metric": metric, "direction": direction}))
