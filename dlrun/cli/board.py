"""dlrun board [FOLDER...]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("board")(board)


def board(
    folder: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of runs and sweeps, looked through with all that is below; runs/, and sweeps/ if it is there."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; only this machine when left out.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port; the next free one from 8765 when left out.")
    ] = None,
    open: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = False,
    runs: Annotated[Path, typer.Option(envvar="DLRUN_RUNS", hidden=True)] = Path("runs"),
    sweeps: Annotated[Path, typer.Option(envvar="DLRUN_SWEEPS", hidden=True)] = Path("sweeps"),
) -> None:
    """Show all runs and sweeps of a folder in the browser, live while they train: list, sort, compare, open reports.

    Example: dlrun board --open
    """
    from dlrun.board.server import address_of, bind, check_folders, check_libraries, is_loopback, open_browser, serve
    from dlrun.cli.output import say

    check_libraries()
    folders = folder or [each for each in (runs, sweeps) if each.is_dir()] or [runs]
    check_folders(folders)
    listening = bind(host, port)
    address = address_of(listening, host)

    def ready() -> None:
        say(f"the board of {', '.join(map(str, folders))}: {address} (Ctrl-C ends it)")
        if not is_loopback(listening):
            sys.stderr.write(
                "WARNING: everybody who can reach this machine can see the board, configs and samples of the data "
                "included; there is no password. Without --host only this machine can.\n"
            )
        if open:
            open_browser(address)

    serve(folders, listening, host, ready)
