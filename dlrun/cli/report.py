"""dlrun report RUN."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.train import RunsFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    run: Annotated[str, typer.Argument(help="A run: its folder, its name, or 'latest'.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; RUN/report.html.")] = None,
    split: Annotated[
        str | None, typer.Option(help="train, validation or test; test, or else validation, when left out.")
    ] = None,
    checkpoint: Annotated[str | None, typer.Option(help="best or last.")] = None,
    profile: Annotated[bool, typer.Option("--profile/--no-profile", help="Measure the layers' times.")] = True,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Write all about a run as one HTML file: curves, predictions, mistakes, layers; opens without a network.

    Example: dlrun report mnist_cnn-1
    """
    from dlrun.report.page import check_libraries, write_page
    from dlrun.report.run_report import Options, report_run
    from dlrun.runs.directory import find_run

    check_libraries()
    found = find_run(run, runs)
    page = report_run(found, Options(split, checkpoint, profile))
    path = output or found.path / "report.html"
    write_page(path, page)
    for note in page.notes:
        sys.stderr.write(f"NOTE: {note}\n")
    sys.stdout.write(f"{path}\n")
