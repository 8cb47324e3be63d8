"""dlrun train CONFIG [path=value ...]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.options import Overrides, RunsFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dlrun.runs.directory import RunDirectory
    from dlrun.training.events import Listener
    from dlrun.training.run import Finished


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
    config: Annotated[Path, typer.Argument(help="The YAML file that describes the run.")],
    overrides: Overrides = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Train the network that CONFIG describes.

    Example: dlrun train configs/mnist_cnn.yaml optimizer.learning_rate=3e-4 training.epochs=3
    """
    from dlrun.config.load import load_config
    from dlrun.errors import UsageError
    from dlrun.training import fit
    from dlrun.training import run as training

    loaded = load_config(config, overrides or [])
    if loaded.config.sweep is not None:
        way_out = f"dlrun sweep {config}; with sweep=null the config itself is trained"
        raise UsageError(f"{config} describes a sweep", way_out)
    fit.validate(loaded)
    loaded = training.settle(loaded, runs)
    training.reach_tracker(loaded)
    run = training.create_run(loaded, sys.argv, runs)
    show_training(run, lambda console: training.train(loaded, run, console))


def show_training(run: RunDirectory, work: Callable[[Listener], Finished]) -> None:
    """Run a training with a display; the run's path is printed first and last, whatever happens."""
    from dlrun.cli.output import say
    from dlrun.cli.progress import LiveDisplay, PlainDisplay

    say(str(run.path))
    display: PlainDisplay = LiveDisplay() if sys.stdout.isatty() else PlainDisplay()
    try:
        with display:
            finished = work(display)
        for line in summary(finished):
            say(line)
    finally:
        say(str(run.path))


def summary(finished: Finished) -> Iterator[str]:
    """Yield what there is to say at a training's end."""
    from dlrun.cli.output import measure

    state, reason = finished.state, finished.ending.reason
    if state.best_epoch is not None:
        best = ", ".join(
            f"{name} {measure(value)}" for name, value in state.best_row.items() if name.startswith("validation/")
        )
        yield f"best epoch {state.best_epoch}: {best}" if best else f"best epoch {state.best_epoch}"
    done = f"{state.epoch} epochs, {state.step} steps, {state.train_seconds:.1f} s of training"
    yield f"{ENDINGS.get(reason, reason)} after {done}"


ENDINGS = {
    "early_stopping": "stopped early",
    "max_steps": "stopped by training.max_steps",
    "max_time": "stopped by training.max_time",
}
