"""dlrun recommend RUN [--user ID]..."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import Checkpoint, RowsFile, Run, RunsFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recommend")(recommend)


def recommend(
    run: Run,
    user: Annotated[
        list[str] | None, typer.Option("--user", "-u", help="A user's id; may be repeated. All users when left out.")
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="How many items for each user.")] = 10,
    checkpoint: Checkpoint = None,
    output: RowsFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Name the items that users may like most, of those that they don't have yet.

    Example: dlrun recommend runs/recommend-1 --user 42 --k 5
    """
    from dlrun.cli.output import print_json, print_table
    from dlrun.runs.directory import find_run
    from dlrun.training.prediction import check_output, write_predictions
    from dlrun.training.recommending import recommend

    if output is not None:
        check_output(output)
    rows = recommend(find_run(run, runs), checkpoint, user or [], k)
    if output is not None:
        write_predictions(output, rows)
        sys.stdout.write(f"{len(rows):,} recommendations in {output}\n")
    elif json:
        print_json(rows)
    else:
        print_table(rows)
