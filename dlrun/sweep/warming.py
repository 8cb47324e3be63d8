"""What workers share is made once, before they start: the prepared data in the cache, the kernels in the store."""

from __future__ import annotations

from collections.abc import Iterator

from dlrun.compiler.compile import compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import UpdateRule
from dlrun.config.load import LoadedConfig
from dlrun.data.dataset import Dataset
from dlrun.data.load import load
from dlrun.errors import ConfigError
from dlrun.kernels.store import is_stored, load_kernels
from dlrun.plan import Plan
from dlrun.sweep.definition import Sweep
from dlrun.sweep.watching import Watcher
from dlrun.training.events import Listener
from dlrun.training.fit import located
from dlrun.training.session import Session
from dlrun.training.sizes import EVALUATION_BATCH

MOST_WARMED = 16
"""Combinations, from the first to the last, whose kernels are looked for: what others need besides, workers compile."""


class _Compiling(Listener):
    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher

    def compiling(self, kernel: str, done: int, total: int) -> None:
        """Pass on, as of the first trial."""
        self.watcher.compiling(0, kernel, done, total)


def warm_up(sweep: Sweep, watcher: Watcher, cores: int | None = None) -> None:
    """Prepare the first combination's data, and compile the kernels of combinations on the same data.

    `cores` are those that a worker has, on which the choice of kernels depends; None: as many as this process. Two
    workers that miss a kernel at once would both compile it. Raises: DataError, ConfigError, MissingExtra.
    """
    every = list(sweep.combinations())
    first, *others = map(sweep.config_of, every[:: -(-len(every) // MOST_WARMED)])
    listener = _Compiling(watcher)
    try:
        dataset = load(first.config.data, first.config.seed)
        session = _session(first, dataset, cores, listener)
        session.start_training()
        if "validation" in dataset.splits:
            session.evaluator("validation")
    except ConfigError as error:
        raise located(first, error) from error
    for other in others:
        if other.config.data == first.config.data and other.config.seed == first.config.seed:
            _compile(other, dataset, cores, listener)


def _session(loaded: LoadedConfig, dataset: Dataset, cores: int | None, listener: Listener) -> Session:
    session = Session(loaded.config, loaded.layer_paths, dataset, listener)
    if cores is not None and loaded.config.training.threads == "auto":
        session.threads = min(session.threads, cores)
    return session


def _compile(loaded: LoadedConfig, dataset: Dataset, cores: int | None, listener: Listener) -> None:
    """Compile what a combination's plans need and the store doesn't have; its trial tells what is wrong with it."""
    config = loaded.config
    try:
        plans = list(_plans(_session(loaded, dataset, cores, listener)))
    except ConfigError:
        return
    kernels = dict.fromkeys(kernel for plan in plans for kernel in plan.kernels)
    missing = [kernel for kernel in kernels if not is_stored(kernel, config.precision)]
    if missing:
        load_kernels(missing, config.precision, listener.compiling)


def _plans(session: Session) -> Iterator[Plan]:
    yield session.training_plan()
    if "validation" in session.dataset.splits:
        config = session.config
        goal = Goal(training=False, weighted=session.split("validation").weights is not None)
        rows = min(EVALUATION_BATCH, session.split("validation").rows)
        yield compile_plan(session.model, goal, UpdateRule(), config.precision, rows, session.threads, config.seed)
