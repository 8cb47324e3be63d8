"""Optuna's samplers and pruners for a sweep.

A sampler is made anew for each trial and seeded by the trial's number: which process asks, and after how many stops,
makes no difference to what is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlrun.errors import MissingExtra
from dlrun.sweep.definition import Sweep
from dlrun.sweep.space import Parameter, Value, Values

if TYPE_CHECKING:
    import optuna

LARGEST_SEED = 2**32


def distribution_of(parameter: Parameter) -> optuna.distributions.BaseDistribution:
    """Return a parameter's values as Optuna has them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    domain = parameter.domain
    if isinstance(domain, Values):
        return CategoricalDistribution(tuple(domain.options))
    if domain.kind == "int":
        return IntDistribution(int(domain.low), int(domain.high), step=domain.step)
    return FloatDistribution(domain.low, domain.high, log=domain.kind == "log")


def suggest(trial: optuna.trial.Trial, parameter: Parameter) -> Value:
    """Return a parameter's value in a trial: the one that it has, or one that is drawn now."""
    domain = parameter.domain
    if isinstance(domain, Values):
        return trial.suggest_categorical(parameter.name, tuple(domain.options))
    if domain.kind == "int":
        return trial.suggest_int(parameter.name, int(domain.low), int(domain.high), step=domain.step)
    return trial.suggest_float(parameter.name, domain.low, domain.high, log=domain.kind == "log")


def make_sampler(sweep: Sweep, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler that draws the trial of this number. Raises: MissingExtra without the package cmaes."""
    from optuna import samplers

    seed = (sweep.settings.seed * 1_000_003 + number) % LARGEST_SEED
    if sweep.sampler == "tpe":
        return samplers.TPESampler(seed=seed, constant_liar=True)
    if sweep.sampler == "cmaes":
        try:
            import cmaes  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtra("cmaes", "sweep", "the sampler cmaes") from None
        return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    return samplers.RandomSampler(seed=seed)


def make_pruner(sweep: Sweep) -> optuna.pruners.BasePruner:
    """Return the sweep's pruner."""
    from optuna import pruners

    name = sweep.settings.pruner
    if name == "median":
        return pruners.MedianPruner()
    if name == "asha":
        return pruners.SuccessiveHalvingPruner(min_resource=1)
    if name == "hyperband":
        return pruners.HyperbandPruner(min_resource=1, max_resource=most_epochs(sweep))
    return pruners.NopPruner()


def most_epochs(sweep: Sweep) -> int:
    """Return the epochs of the trial that has most of them."""
    found: Any = [sweep.config_of(assignment).config.training.epochs for assignment in sweep.space.corners(1)]
    return int(max(found))
