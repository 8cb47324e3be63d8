"""dlrun init DATA."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dlrun.starter.look import Found


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    data: Annotated[str, typer.Argument(help="A CSV, TSV or Parquet file, a folder of images or texts, a text file.")],
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The config; named after the data.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, take the likeliest.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a first config for a data file: it looks at the data, guesses the task, and what it writes trains as it is.

    On a terminal it asks what it can't know. Example: dlrun init titanic/train.csv --target Survived
    """
    from dlrun.config.load import load_text
    from dlrun.errors import UsageError
    from dlrun.runs.files import write_text
    from dlrun.starter.look import look
    from dlrun.training import fit

    found = look(data)
    sys.stdout.write(f"{data}: {found.what}\n")
    path = output or Path(_stem(data) + ".yaml")
    if sys.stdin.isatty() and not yes:
        target = target or _asked_target(found)
        path = output or Path(typer.prompt("The config's file", default=str(path)))
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", "name another file by --output, or add --force")
    text = found.config_for(target)
    fit.validate(load_text(text, str(path)))
    write_text(path, text)
    for line in text.splitlines():
        if line.startswith("#"):
            sys.stdout.write(f"{line.removeprefix('# ')}\n")
    sys.stdout.write(f"{path} is written and valid. Next: dlrun train {path}\n")


def _asked_target(found: Found) -> str | None:
    """Ask which column is to be predicted, where there is a choice."""
    names = [column.name for column in found.table.targets()] if found.table else []
    if len(names) < 2:
        return None
    sys.stdout.write("columns that can be predicted: " + ", ".join(names) + "\n")
    answer: str = typer.prompt("Which one", default=names[0])
    return answer


def _stem(data: str) -> str:
    """The name of the data without its endings, in letters that a run may be named with."""
    import re

    name = Path(data).name.split(".")[0] or "config"
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-") or "config"
