"""dlrun schema."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema")(schema)


def schema() -> None:
    """Print the JSON Schema of config files, for editors.

    Example: dlrun schema > dlrun.schema.json
    """
    from dlrun.cli.output import print_json
    from dlrun.config.schema import json_schema

    print_json(json_schema())
