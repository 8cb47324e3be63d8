"""What a sweep has found: its leaderboard, what its parameters matter, the best config as a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.errors import RunError
from dlrun.runs.environment import ProcessState
from dlrun.runs.files import write_text
from dlrun.runs.record import read_record
from dlrun.sweep.space import Assignment, identity
from dlrun.sweep.study import DUPLICATE, EPOCH, ERROR, KEY, PROCESS, Study, quiet

STATES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}
LEAST_FOR_IMPORTANCES = 3
"""Finished trials below which nothing can be said of what matters."""


@dataclass(frozen=True)
class TrialResult:
    """A trial as the leaderboard has it. `value` is the metric at `epoch`, the best of its epochs."""

    number: int
    state: str
    parameters: Mapping[str, Any]
    assignment: Assignment
    key: str | None
    value: float | None
    epoch: int | None
    epochs: int | None
    seconds: float | None
    path: Path | None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON-able values."""
        fields = {name: value for name, value in vars(self).items() if name != "assignment"}
        return {**fields, "parameters": dict(self.parameters), "path": None if self.path is None else str(self.path)}


def trial_results(study: Study) -> list[TrialResult]:
    """Return every trial once, the best first; of one that was tried again the last try, repetitions left out."""
    latest = {}
    for trial in study.trials():
        if DUPLICATE not in trial.user_attrs:
            latest[identity(trial.params)] = trial
    found = [_result(study, trial) for trial in latest.values()]
    return sorted(found, key=lambda each: _order(each, study.maximizes))


def _order(result: TrialResult, maximizes: bool) -> tuple[int, float, int]:
    rank = ("finished", "pruned", "running", "stopped", "waiting", "failed").index(result.state)
    value = math.inf if result.value is None else -result.value if maximizes else result.value
    return rank, value, result.number


def _result(study: Study, trial: Any) -> TrialResult:
    key = trial.user_attrs.get(KEY)
    state = STATES[trial.state.name]
    process = trial.user_attrs.get(PROCESS)
    if state == "running" and (process is None or ProcessState.model_validate(process).is_dead()):
        state = "stopped"
    run = None if key is None else study.folder.run(key)
    epochs, seconds = None, None
    if run is not None and run.record.exists():
        try:
            record = read_record(run.record)
            epochs, seconds = record.epochs, record.train_seconds
        except RunError:
            state = "failed"
    value = trial.value if state in ("finished", "pruned") else None
    params = study.sweep.space.plain_values(trial.params)
    return TrialResult(
        trial.number, state, params, dict(trial.params), key, value, trial.user_attrs.get(EPOCH), epochs, seconds,
        None if run is None else run.path, trial.user_attrs.get(ERROR) if state == "failed" else None,
    )  # fmt: skip


def importances(study: Study) -> dict[str, float]:
    """Return each parameter's share in what makes trials good, by Optuna's PED-ANOVA; none while too little is known.

    Source: Watanabe, Bansal, Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
    Subspaces", IJCAI 2023.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    finished = [trial for trial in study.trials() if trial.state == study.states.COMPLETE]
    names = {name for trial in finished for name in trial.params}
    if len(finished) < LEAST_FOR_IMPORTANCES or len({trial.value for trial in finished}) < 2:
        return {}
    with quiet():
        always = [name for name in names if all(name in trial.params for trial in finished)]
        try:
            found = get_param_importances(
                study.study, evaluator=PedAnovaImportanceEvaluator(), params=sorted(always), normalize=False
            )
        except (ValueError, RuntimeError):  # too few values to compare
            return {}
    total = sum(found.values())
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return {name: float(value / total) for name, value in ordered} if total > 0 else {}


def write_best(study: Study, results: list[TrialResult]) -> TrialResult | None:
    """Write the best finished trial's config, ready to train, to best.yaml; return the trial. Raises: RunError."""
    best = results[0] if results and results[0].state == "finished" else None
    if best is None or best.path is None:
        return None
    metric = study.sweep.settings.metric
    text = study.sweep.config_of(best.assignment).text.decode()
    found = f"trial {best.number} of {study.folder.name}: {metric} {best.value:.6g} in epoch {best.epoch}"
    write_text(study.folder.best, f"# The best of a sweep, {found}.\n{text}")
    return best


def summary(study: Study, budget: int, weighs: bool = True) -> dict[str, Any]:
    """Return all that is known about a sweep, JSON-able; best.yaml is written by the way.

    With `weighs` the importances are among it: the part of Optuna that knows them takes seconds to import.
    """
    results = trial_results(study)
    best = write_best(study, results)
    counts = {state: sum(each.state == state for each in results) for state in dict.fromkeys(STATES.values())}
    return {
        "name": study.folder.name,
        "path": str(study.folder.path),
        "metric": study.sweep.settings.metric,
        "direction": study.sweep.settings.direction,
        "sampler": study.sweep.sampler,
        "pruner": study.sweep.settings.pruner,
        "budget": budget,
        "counts": {state: count for state, count in counts.items() if count},
        **({"importances": importances(study)} if weighs else {}),
        "best": None if best is None else best.to_json(),
        "best_config": None if best is None else str(study.folder.best),
        "trials": [each.to_json() for each in results],
    }
