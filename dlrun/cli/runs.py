"""dlrun runs, dlrun runs show RUN."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dlrun.cli.options import Run, RunsFolder

group = typer.Typer(help="List the runs; `dlrun runs show RUN` tells all about one.", invoke_without_command=True)
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="runs")


@group.callback()
def list_runs(
    context: typer.Context,
    sort: Annotated[str | None, typer.Option(help="A column; with a minus before it, the largest first.")] = None,
    json: Json = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """List the runs with their status, metrics and times.

    Example: dlrun runs --sort=-validation/accuracy
    """
    if context.invoked_subcommand:
        return
    from dlrun.cli.output import print_json, print_table
    from dlrun.runs.table import runs_table

    table = runs_table(runs, sort)
    if json:
        print_json(table.to_json())
    elif not table.rows:
        sys.stdout.write(f"no runs in {runs}/ yet: dlrun train CONFIG makes one\n")
    else:
        print_table(table.rows, table.columns)
        for name, reason in table.damaged.items():
            sys.stderr.write(f"NOTE: {name}: {reason}\n")


@group.command("show")
def show(
    run: Run,
    json: Json = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Tell all about a run: its record, the history of its epochs, its files."""
    from dlrun.cli.output import cell, print_json, print_table
    from dlrun.runs.directory import find_run
    from dlrun.runs.table import show_run

    shown: dict[str, Any] = show_run(find_run(run, runs))
    if json:
        print_json(shown)
        return
    for name, value in shown.items():
        if name not in ("history", "files", "problems") and value not in (None, [], {}):
            text = ", ".join(f"{k} {cell(v)}" for k, v in value.items()) if isinstance(value, dict) else cell(value)
            sys.stdout.write(f"{name}: {text}\n")
    if shown["history"]:
        sys.stdout.write("\n")
        print_table(shown["history"])
    sys.stdout.write("\nfiles: " + ", ".join(shown.get("files", [])) + "\n")
    for problem in shown["problems"]:
        sys.stderr.write(f"NOTE: {problem}\n")
