"""dlrun data list | show NAME | fetch NAME."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

group = typer.Typer(help="The data sets that dlrun knows by name.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Name = Annotated[str, typer.Argument(help="The data set's name.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="data")


@group.command("list")
def list_sets(json: Json = False) -> None:
    """List the data sets known by name, and where each was found."""
    from dlrun.cli.output import print_json, print_table
    from dlrun.data.catalog import catalog

    rows = [asdict(row) for row in catalog()]
    if json:
        print_json(rows)
    else:
        print_table(rows)


@group.command("show")
def show(name: Name, json: Json = False) -> None:
    """Tell all about a data set."""
    from dlrun.cli.output import cell, print_json
    from dlrun.data import catalog

    row = asdict(catalog.show(name))
    if json:
        print_json(row)
        return
    for key, value in row.items():
        sys.stdout.write(f"{key}: {cell(value)}\n")


@group.command("fetch")
def fetch(name: Name) -> None:
    """Download a data set into datasets/, unless it is there already."""
    from dlrun.data import catalog

    place = catalog.fetch(name)
    sys.stdout.write(f"{name} is in {place}\n" if place else f"{name} needs no download\n")
