"""dlrun cross-validate CONFIG [path=value ...]."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlrun.cli.options import Overrides, RunsFolder
from dlrun.cli.train import show_training

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlrun.runs.directory import RunDirectory
    from dlrun.runs.folds import CrossValidation
    from dlrun.training.events import Listener
    from dlrun.training.run import Finished


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cross-validate")(cross_validate)


def cross_validate(
    config: Annotated[Path, typer.Argument(help="The YAML file that describes the run.")],
    overrides: Overrides = None,
    folds: Annotated[int | None, typer.Option(min=2, help="How many folds; the config's, else 5.")] = None,
    group: Annotated[str | None, typer.Option(help="A column whose equal values stay in one fold.")] = None,
    forward: Annotated[bool, typer.Option("--forward", help="Train each fold on the rows before it alone.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Begin anew, whatever was done before.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print nothing but the results, as JSON.")] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Train CONFIG once for each fold of its rows; mean and standard deviation of what the networks reach.

    Stratified for classes. The same command goes on where it was stopped, and skips folds that are done.

    Example: dlrun cross-validate configs/titanic.yaml --folds 5
    """
    from dlrun.cli.output import print_json, say
    from dlrun.config.load import load_config
    from dlrun.errors import Interrupted
    from dlrun.training import cross_validation as validating
    from dlrun.training import fit
    from dlrun.training import run as training

    choice = validating.Choice(folds, group, forward)
    loaded = load_config(config, overrides or [])
    fit.validate(validating.fold_config(loaded, choice, 1))
    loaded = training.settle(loaded, runs)
    training.reach_tracker(loaded)
    work = validating.open_cross_validation(loaded, choice, sys.argv, runs, new)

    def show(run: RunDirectory, training: Callable[[Listener], Finished]) -> None:
        if json:
            from dlrun.training.events import Listener

            training(Listener())
            return
        say(f"\nfold {run.name.rsplit('-', 1)[1]} of {work.folds}")
        show_training(run, training)

    was_done = work.is_done
    try:
        work = validating.cross_validate(work, loaded, choice, sys.argv, show)
    except (Interrupted, KeyboardInterrupt) as stopped:
        message = stopped.message if isinstance(stopped, Interrupted) else "stopped between two folds"
        again = [part for part in sys.argv[1:] if part != "--new"]
        raise Interrupted(message, f"the same command goes on: {shlex.join(['dlrun', *again])}") from None
    if json:
        print_json({"path": str(work.path), **work.summary()})
    else:
        print_results(work, was_done)


def print_results(work: CrossValidation, was_done: bool) -> None:
    """Print a row for each fold, and the mean and spread of each metric."""
    from dlrun.cli.output import print_table

    summary: dict[str, Any] = work.summary()
    rows = [
        {"fold": result["fold"], "rows": result["rows"], "epochs": result["epochs"], **result["metrics"]}
        for result in summary["results"]
    ]
    rows.append({"fold": "mean", **summary["mean"]})
    rows.append({"fold": "standard deviation", **summary["standard_deviation"]})
    if was_done:
        sys.stdout.write("all folds were done before; --new begins anew\n")
    sys.stdout.write("\n")
    print_table(rows)
    sys.stdout.write(f"\n{work.path}\n")
