"""The trials of a sweep in Optuna's journal: proposed, claimed by one process at a time, told their results.

Every decision on who does what is made under one lock, so that processes neither lose nor repeat a trial. What a killed
process worked on is known by the process that its claim names (`dlrun.runs.environment`), and claimed anew.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from dlrun.errors import MissingExtra
from dlrun.runs.environment import ProcessState, this_process
from dlrun.sweep.definition import Sweep, key_of
from dlrun.sweep.folder import SweepFolder
from dlrun.sweep.lock import FileLock, locked
from dlrun.sweep.searching import distribution_of, make_pruner, make_sampler, suggest
from dlrun.sweep.space import Assignment, Value, identity

if TYPE_CHECKING:
    import optuna

KEY, PROCESS, RETRY, DUPLICATE, ERROR, EPOCH = "key", "process", "retry_of", "duplicate_of", "error", "epoch"
"""What is noted beside each trial."""


def import_optuna() -> Any:
    """Return Optuna, quiet. Raises: MissingExtra."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise MissingExtra("optuna", "sweep", "dlrun sweep") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's remarks on its own experimental parts from users."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="optuna")
        warnings.filterwarnings("ignore", category=import_optuna().exceptions.ExperimentalWarning)
        yield


@dataclass(frozen=True)
class Claim:
    """A trial that this process works on, or another machine for it."""

    number: int
    assignment: Assignment
    key: str


class Study:
    """The journal of a sweep, opened. Raises: MissingExtra."""

    def __init__(self, folder: SweepFolder, sweep: Sweep) -> None:
        library = import_optuna()
        from optuna.storages.journal import JournalFileBackend, JournalStorage

        self.folder, self.sweep = folder, sweep
        self.states = library.trial.TrialState
        self._held: dict[int, optuna.trial.Trial] = {}
        lock: Any = FileLock(folder.lock("journal"), mends=folder.journal)  # all that Optuna's own locks have
        with quiet():
            self.study: optuna.study.Study = library.create_study(
                storage=JournalStorage(JournalFileBackend(str(folder.journal), lock_obj=lock)),
                study_name=folder.name, direction=sweep.settings.direction, load_if_exists=True,
                pruner=make_pruner(sweep),
            )  # fmt: skip

    @property
    def maximizes(self) -> bool:
        """Whether larger values are better."""
        return self.sweep.maximizes

    @property
    def prunes(self) -> bool:
        """Whether trials may end before their last epoch."""
        return self.sweep.prunes

    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """Return every trial in the journal."""
        found: list[optuna.trial.FrozenTrial] = self.study.get_trials(deepcopy=False)
        return found

    def prepare(self, budget: int, at_once: int = 1) -> None:
        """Put in line what is known already: trials that failed, and those that don't depend on others' results.

        These are a grid's, and with several `at_once` random ones, then the longest first.
        """
        with self._claiming():
            trials = self.trials()
            latest = {identity(trial.params): trial for trial in trials if DUPLICATE not in trial.user_attrs}
            for trial in latest.values():
                if trial.state == self.states.FAIL:
                    self._enqueue(trial.params, {RETRY: trial.number})
            new: Sequence[Assignment] = ()
            if self.sweep.sampler == "grid":
                new = [each for each in islice(self.sweep.space.grid(), budget) if identity(each) not in latest]
            elif self.sweep.sampler == "random" and at_once > 1 and not self.prunes:
                new = [self._drawn(number) for number in self._numbers(budget)]
            if at_once > 1 and not self.prunes:
                from dlrun.sweep.cost import longest_first  # with all that checks a network

                new = longest_first(self.sweep, new)
            for assignment in new:
                self._enqueue(assignment, {})

    def _numbers(self, budget: int) -> range:
        """Return the numbers of the trials that the budget has room for."""
        trials = self.trials()
        begun = sum(RETRY not in trial.user_attrs for trial in trials)
        return range(len(trials), len(trials) + max(0, budget - begun))

    def _drawn(self, number: int) -> dict[str, Value]:
        """Return what a sampler that knows no results draws for the trial of this number."""
        import optuna

        with quiet():
            return self._suggest(optuna.create_study(sampler=make_sampler(self.sweep, number)).ask())

    def _enqueue(self, assignment: Assignment, notes: dict[str, Any]) -> None:
        from optuna.trial import create_trial

        distributions = {name: distribution_of(self.sweep.space[name]) for name in assignment}
        params = dict(assignment)
        waiting = create_trial(
            state=self.states.WAITING, params=params, distributions=distributions, user_attrs=notes
        )  # fmt: skip
        self.study.add_trial(waiting)

    def claim(self, budget: int) -> Claim | Literal["wait", "done"]:
        """Return a trial to work on: one that was left alone, one that waits in line, or a new one within the budget.

        "wait" where others work on what is left, "done" where nothing is left.
        """
        while True:
            with self._claiming():
                found = self._next(budget)
                if not isinstance(found, Claim) or not self._is_repeated(found):
                    return found

    def _next(self, budget: int) -> Claim | Literal["wait", "done"]:
        trials = self.trials()
        running = [trial for trial in trials if trial.state == self.states.RUNNING]
        for frozen in running:
            if self._is_abandoned(frozen):
                return self._take(self._trial(frozen))
        waits = any(trial.state == self.states.WAITING for trial in trials)
        if waits or (self.sweep.sampler != "grid" and self._numbers(budget)):
            self.study.sampler = make_sampler(self.sweep, len(trials))
            with quiet():
                return self._take(self.study.ask())
        return "wait" if running else "done"

    def _trial(self, frozen: optuna.trial.FrozenTrial) -> optuna.trial.Trial:
        import optuna

        self.study.sampler = make_sampler(self.sweep, frozen.number)
        return optuna.trial.Trial(self.study, frozen._trial_id)

    def _is_abandoned(self, trial: optuna.trial.FrozenTrial) -> bool:
        """Whether nobody works on a running trial: not a process that died, and not this one, which knows its own."""
        noted = trial.user_attrs.get(PROCESS)
        if noted is None:
            return True
        process = ProcessState.model_validate(noted)
        if process == this_process():
            return trial.number not in self._held
        return process.is_dead()

    def _take(self, trial: optuna.trial.Trial) -> Claim:
        with quiet():
            assignment = self._suggest(trial)
        key = key_of(self.sweep.config_of(assignment))
        trial.set_user_attr(KEY, key)
        trial.set_user_attr(PROCESS, this_process().model_dump())
        self._held[trial.number] = trial
        return Claim(trial.number, assignment, key)

    def _suggest(self, trial: optuna.trial.Trial) -> dict[str, Value]:
        """Return the trial's values, drawn now where it has none yet."""
        assignment: dict[str, Value] = {}
        for parameter in self.sweep.space.parameters:
            if parameter.exists(assignment):
                assignment[parameter.name] = suggest(trial, parameter)
        return assignment

    def _is_repeated(self, claim: Claim) -> bool:
        """Whether another trial is of the same config: it is trained once, and both have the result."""
        trial = self._held[claim.number]
        for other in self.trials():
            if other.number == claim.number or other.user_attrs.get(KEY) != claim.key:
                continue
            if DUPLICATE in other.user_attrs or RETRY in trial.user_attrs or other.number > claim.number:
                continue
            trial.set_user_attr(DUPLICATE, other.number)
            del self._held[claim.number]
            if other.state == self.states.COMPLETE:
                self.study.tell(claim.number, other.value)
            else:
                self.study.tell(claim.number, state=self.states.FAIL)
            return True
        return False

    def report(self, claim: Claim, epoch: int, value: float) -> bool:
        """Note an epoch's value; return whether the trial is to be ended."""
        if epoch not in self.trials()[claim.number].intermediate_values:
            self._held[claim.number].report(value, epoch)
        with quiet():
            return self._held[claim.number].should_prune()

    def finish(self, claim: Claim, value: float, epoch: int) -> None:
        """Note a trial's result and the epoch that had it."""
        with self._claiming():
            self._held[claim.number].set_user_attr(EPOCH, epoch)
            self._tell(claim.number, value, self.states.COMPLETE)

    def prune(self, claim: Claim) -> None:
        """Note that a trial was ended before its last epoch."""
        with self._claiming():
            self._tell(claim.number, None, self.states.PRUNED)

    def fail(self, number: int, reason: str) -> None:
        """Note that a trial failed."""
        with self._claiming():
            trial = self.trials()[number]
            if trial.state == self.states.RUNNING:
                self._trial(trial).set_user_attr(ERROR, reason)
                self._tell(number, None, self.states.FAIL)

    def _tell(self, number: int, value: float | None, state: Any) -> None:
        self.study.sampler = make_sampler(self.sweep, number)
        with quiet():
            self.study.tell(number, value, state=state, skip_if_finished=True)
        self._held.pop(number, None)

    def release(self, claim: Claim) -> None:
        """Leave a trial as it is, for whoever comes next."""
        self._held.pop(claim.number).set_user_attr(PROCESS, None)

    def _claiming(self) -> Any:
        return locked(self.folder.lock("claims"))
