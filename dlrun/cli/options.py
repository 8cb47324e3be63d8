"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH=VALUE]...", help="Changes of the config, as optimizer.learning_rate=3e-4."),
]
Run = Annotated[str, typer.Argument(help="A run: its folder, its name, or 'latest'.")]
RunsFolder = Annotated[Path, typer.Option("--runs", help="The folder that holds the runs.", envvar="DLRUN_RUNS")]
Checkpoint = Annotated[str | None, typer.Option(help="best or last.")]
RowsFile = Annotated[Path | None, typer.Option("--output", "-o", help="Write a .csv or .json file instead of a table.")]
