"""dlrun diff RUN RUN."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dlrun.cli.options import Run, RunsFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diff")(diff)


def diff(
    old: Run,
    new: Annotated[str, typer.Argument(help="Another run.")],
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Show in what two runs differ: config, data, environment, metrics, in this order.

    Example: dlrun diff mnist_cnn-1 mnist_cnn-2
    """
    from dlrun.cli.output import print_json
    from dlrun.runs.difference import diff_runs, to_json
    from dlrun.runs.directory import find_run

    first, second = find_run(old, runs), find_run(new, runs)
    found = diff_runs(first, second)
    if json:
        print_json(to_json(found))
        return
    sys.stdout.write(f"{first.path} → {second.path}\n")
    for section, differences in found.items():
        if differences:
            sys.stdout.write(f"\n{section}\n")
        for each in differences:
            sys.stdout.write(f"  {each.name}: {_text(each.old)} → {_text(each.new)}\n")
    if not any(found.values()):
        sys.stdout.write("they differ in nothing but their times\n")


def _text(value: Any) -> str:
    from dlrun.cli.output import cell
    from dlrun.config.resolve import flow

    if value is None:
        return "(none)"
    return cell(value) if isinstance(value, str | float) else flow(value)
