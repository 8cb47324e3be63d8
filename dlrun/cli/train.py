"""dlrun train CONFIG [path=value ...]."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlrun.runs.directory import RunDirectory
    from dlrun.training.events import Listener
    from dlrun.training.run import Finished

Overrides = Annotated[list[str] | None, typer.Argument(metavar="[PATH=VALUE]...", help="Changes of the config, as optimizer.learning_rate=3e-4.")]
RunsFolder = Annotated[Path, typer.Option("--runs", help="The folder that holds the runs.", envvar="DLRUN_RUNS")]


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
    from dlrun.training import run as training

    loaded = load_config(config, overrides or [])
    training.validate(loaded)
    run = training.create_run(loaded, sys.argv, runs)
    show_training(run, lambda console: training.train(loaded, run, console))


def show_training(run: RunDirectory, work: Callable[[Listener], Finished]) -> None:
    """Run a training with a display; the run's path is printed first and last."""
    from dlrun.cli.progress import LiveDisplay, PlainDisplay

    sys.stdout.write(f"{run.path}\n")
    sys.stdout.flush()
    display: PlainDisplay = LiveDisplay() if sys.stdout.isatty() else PlainDisplay()
    with display if isinstance(display, LiveDisplay) else nullcontext():
        finished = work(display)
    state = finished.trainer.state
    if state.best_epoch is not None:
        best = ", ".join(f"{n} {float(v):.4f}" for n, v in state.best_row.items() if n.startswith("validation/"))
        sys.stdout.write(f"best epoch {state.best_epoch}: {best}\n" if best else f"best epoch {state.best_epoch}\n")
    sys.stdout.write(f"{finished.ending.reason.replace('_', ' ')} after {state.epoch} epochs, {state.step} steps, {state.train_seconds:.1f} s of training\n")
    sys.stdout.write(f"{run.path}\n")
