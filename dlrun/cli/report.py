"""dlrun report RUN, dlrun report SWEEP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.options import Checkpoint, RunsFolder
from dlrun.cli.sweep import SweepsFolder

if TYPE_CHECKING:
    from dlrun.runs.directory import RunDirectory
    from dlrun.sweep.folder import SweepFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    run: Annotated[str, typer.Argument(help="A run: its folder, its name, or 'latest'; or a sweep's folder or name.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; report.html in the run's folder.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="train, validation or test; test, or else validation, when left out.")
    ] = None,
    checkpoint: Checkpoint = None,
    profile: Annotated[bool, typer.Option("--profile/--no-profile", help="Measure the layers' times.")] = True,
    runs: RunsFolder = Path("runs"),
    sweeps: SweepsFolder = Path("sweeps"),
) -> None:
    """Write all about a run, or a sweep, as one HTML file: curves, predictions, mistakes, layers; it needs no network.

    Example: dlrun report mnist_cnn-1
    """
    from dlrun.errors import UsageError
    from dlrun.report.page import check_libraries, write_page
    from dlrun.report.run_report import Options, report_run
    from dlrun.sweep.folder import SweepFolder

    check_libraries()
    found = _find(run, runs, sweeps)
    path = output or found.path / "report.html"
    if isinstance(found, SweepFolder):
        from dlrun.report.sweep_report import report_sweep

        if split or checkpoint or not profile:
            raise UsageError(f"{found.path} is a sweep: --split, --checkpoint and --no-profile are for a run's report")
        page = report_sweep(found, path)
    else:
        page = report_run(found, Options(split, checkpoint, profile))
    write_page(path, page)
    for note in page.notes:
        sys.stderr.write(f"NOTE: {note}\n")
    sys.stdout.write(f"{path}\n")


def _find(name: str, runs: Path, sweeps: Path) -> RunDirectory | SweepFolder:
    """Return the run of a name, or else the sweep. Raises: UsageError where there is neither."""
    from dlrun.errors import UsageError
    from dlrun.runs.directory import find_run
    from dlrun.sweep.folder import SweepFolder

    there = [folder for path in (Path(name), sweeps / name) if (folder := SweepFolder(path)).record.exists()]
    try:
        found = find_run(name, runs)
    except UsageError:
        if there:
            return there[0]
        raise
    if there:
        sys.stderr.write(f"NOTE: {there[0].path} is a sweep of the same name: dlrun report {there[0].path}\n")
    return found
