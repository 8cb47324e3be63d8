"""dlrun validate CONFIG [path=value ...]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import Overrides


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate")(validate)


def validate(
    config: Annotated[Path, typer.Argument(help="The YAML file that describes a run.")],
    overrides: Overrides = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="Print the config with all defaults filled in.")] = False,
) -> None:
    """Report every problem of CONFIG, each at its line and column; nothing runs.

    Example: dlrun validate configs/mnist_cnn.yaml
    """
    from dlrun.config.load import load_config
    from dlrun.config.resolve import resolved_yaml
    from dlrun.training import fit

    loaded = load_config(config, overrides or [])
    fit.validate(loaded)
    sys.stdout.write(resolved_yaml(loaded.config) if resolved else f"{config} is valid\n")
