"""dlrun check CONFIG [path=value ...]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import Overrides


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    config: Annotated[Path, typer.Argument(help="The YAML file that describes a run.")],
    overrides: Overrides = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Check this very network: gradients against central differences in float64, then overfitting of one batch.

    Example: dlrun check configs/mnist_cnn.yaml
    """
    from dlrun.cli.output import print_json, print_table
    from dlrun.config.load import load_config
    from dlrun.training import fit
    from dlrun.training.check import check_network

    loaded = load_config(config, overrides or [])
    fit.validate(loaded)
    report = check_network(loaded)
    if json:
        print_json(report.to_json())
    else:
        print_table(report.gradient_rows())
        sys.stdout.write(f"\n{report.summary()}\n")
    if not report.passed:
        raise typer.Exit(1)
