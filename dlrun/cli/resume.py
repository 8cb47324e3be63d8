"""dlrun resume RUN [path=value ...]."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from dlrun.cli.options import Overrides, Run, RunsFolder
from dlrun.cli.train import show_training


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("resume")(resume)


def resume(
    run: Run,
    overrides: Overrides = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Go on with a run from its last checkpoint, to the bit; training.epochs=20 extends it.

    Example: dlrun resume runs/mnist_cnn-1 training.epochs=20
    """
    from dlrun.runs.directory import find_run
    from dlrun.training import fit
    from dlrun.training import resume as resuming
    from dlrun.training import run as training

    found = find_run(run, runs)
    plan = resuming.prepare(found, overrides or [])
    if plan.differences:
        sys.stdout.write(f"the config is changed:\n{plan.differences}\n")
    fit.validate(plan.config)
    if (reason := resuming.nothing_left(plan)) is not None:
        sys.stdout.write(f"{found.path}\n{reason}\n")
        return
    show_training(found, lambda console: training.continue_run(plan.config, found, console, plan.restored))
