"""dlrun report RUN, dlrun report SWEEP."""

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
    run: Annotated[str, typer.Argument(help="A run: its folder, its name, or 'latest'; or a sweep's folder.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; report.html in the run's folder.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="train, validation or test; test, or else validation, when left out.")
    ] = None,
    checkpoint: Annotated[str | None, typer.Option(help="best or last.")] = None,
    profile: Annotated[bool, typer.Option("--profile/--no-profile", help="Measure the layers' times.")] = True,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Write all about a run, or a sweep, as one HTML file: curves, predictions, mistakes, layers; it needs no network.

    Example: dlrun report mnist_cnn-1
    """
    from dlrun.report.page import check_libraries, write_page
    from dlrun.report.run_report import Options, report_run
    from dlrun.runs.directory import find_run
    from dlrun.sweep.folder import SweepFolder

    check_libraries()
    if SweepFolder(Path(run)).record.exists():
        from dlrun.report.sweep_report import report_sweep

        path = output or Path(run) / "report.html"
        page = report_sweep(SweepFolder(Path(run)), path)
    else:
        found = find_run(run, runs)
        path = output or found.path / "report.html"
        page = report_run(found, Options(split, checkpoint, profile))
    write_page(path, page)
    for note in page.notes:
        sys.stderr.write(f"NOTE: {note}\n")
    sys.stdout.write(f"{path}\n")
