"""What workers share is made once, before they start: the prepared data in the cache, the kernels in the store."""

from __future__ import annotations

from dlrun.data.load import load
from dlrun.errors import ConfigError
from dlrun.sweep.definition import Sweep
from dlrun.sweep.watching import Watcher
from dlrun.training.events import Listener
from dlrun.training.fit import located
from dlrun.training.session import Session


class _Compiling(Listener):
    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher

    def compiling(self, kernel: str, done: int, total: int) -> None:
        """Pass on, as of the first trial."""
        self.watcher.compiling(0, kernel, done, total)


def warm_up(sweep: Sweep, watcher: Watcher) -> None:
    """Prepare the data and compile the kernels of the first combination; of the others workers do what is missing.

    Raises: DataError, ConfigError, MissingExtra.
    """
    loaded = sweep.config_of(next(sweep.combinations()))
    config = loaded.config
    try:
        dataset = load(config.data, config.seed)
        session = Session(config, loaded.layer_paths, dataset, _Compiling(watcher))
        session.start_training()
        if "validation" in dataset.splits:
            session.evaluator("validation")
    except ConfigError as error:
        raise located(loaded, error) from error
