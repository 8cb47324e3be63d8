"""dlrun plan CONFIG [path=value ...]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import Overrides


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan")(plan)


def plan(
    config: Annotated[Path, typer.Argument(help="The YAML file that describes a run.")],
    overrides: Overrides = None,
    full: Annotated[
        bool, typer.Option("--full", help="Print the whole compiled plan: buffers, calls, barriers.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show what CONFIG compiles to: layers, shapes, parameters, memory, FLOPs, kernels.

    Example: dlrun plan configs/mnist_cnn.yaml --full
    """
    from dlrun.cli.output import print_json
    from dlrun.compiler.printer import layer_rows, plan_text, summary_text, totals
    from dlrun.config.load import load_config
    from dlrun.training import fit

    graph, compiled = fit.compile_only(load_config(config, overrides or []))
    if json:
        text = {"plan": plan_text(compiled).splitlines()} if full else {}
        print_json({"layers": layer_rows(graph), **totals(graph, compiled), **text})
        return
    sys.stdout.write(summary_text(graph, compiled))
    if full:
        sys.stdout.write("\n" + plan_text(compiled))
