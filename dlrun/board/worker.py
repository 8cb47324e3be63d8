"""Writes one report in a process of its own: `python -m dlrun.board.worker FOLDER OUTPUT LIBRARY`.

Measuring a network takes all that a processor has; the list must stay quick meanwhile. What goes wrong is said in one
line on the standard error, with the exit code of the error.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dlrun.errors import DlrunError
from dlrun.report.blocks import Link, Page
from dlrun.report.page import Site, render
from dlrun.runs.directory import RunDirectory
from dlrun.runs.files import write_text
from dlrun.runs.record import now, read_record
from dlrun.sweep.folder import SweepFolder

POLITENESS = 5
"""The training that somebody watches goes first."""


def make_page(folder: Path) -> Page:
    """Put together the report of a run or a sweep. Raises: DlrunError."""
    if SweepFolder(folder).record.exists():
        from dlrun.report.sweep_report import report_sweep

        return report_sweep(SweepFolder(folder), folder / "report.html")
    from dlrun.report.run_report import Options, report_run

    trains = read_record(RunDirectory(folder).record).observed_status() == "running"
    # The layers' times, measured beside a training, would be wrong, and a disturbance.
    page = report_run(RunDirectory(folder), Options(profile=not trains))
    if not trains:
        return page
    note = f"The run is training; this is what there was at {now():%H:%M:%S} UTC. Load the page again for more."
    return replace(page, notes=[note, *page.notes])


def main() -> int:
    """Write the page; return the exit code."""
    folder, output, library = sys.argv[1:]
    with suppress(OSError, AttributeError):
        os.nice(POLITENESS)
    try:
        page = replace(make_page(Path(folder)), home=Link("all runs", "/"))
        write_text(Path(output), render(page, Site(library)))
    except DlrunError as error:
        sys.stderr.write(error.message + (f" ({error.help})" if error.help else "") + "\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
