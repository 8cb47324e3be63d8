"""dlrun compare RUN RUN..."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.options import RunsFolder

if TYPE_CHECKING:
    from dlrun.runs.comparison import Comparison


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)


def compare(
    run: Annotated[list[str], typer.Argument(help="Two or more runs: folders, names, or 'latest'.")],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", help="Only this metric: accuracy, or validation/loss; repeatable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw the curves into a .png or .svg file.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Put runs side by side: their metrics at best and at last, times, sizes, and their curves in one plot.

    Example: dlrun compare mnist_cnn-1 mnist_cnn-2 --metric accuracy --output compare.png
    """
    from dlrun.cli.output import print_json, print_table
    from dlrun.runs.comparison import compare_runs
    from dlrun.runs.comparison_plot import check_output, draw_comparison
    from dlrun.runs.directory import find_run

    if output is not None:
        check_output(output)
    comparison = compare_runs([find_run(each, runs) for each in run], metric or [])
    if output is not None:
        draw_comparison(output, comparison)
    if json:
        print_json(comparison.to_json())
        return
    print_table(comparison.rows())
    _print_curves(comparison, comparison.metrics if metric else comparison.chief_metrics())
    if output is not None:
        sys.stdout.write(f"{output}\n")


def _print_curves(comparison: Comparison, metrics: tuple[str, ...]) -> None:
    from dlrun.cli.output import terminal_width
    from dlrun.errors import MissingExtra
    from dlrun.runs.text_plot import draw_text

    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    try:
        for metric in metrics:
            drawn = draw_text(f"{metric} by epoch", comparison.curves(metric), terminal_width(), plain)
            sys.stdout.write(f"\n{drawn}" if drawn else "")
    except MissingExtra as missing:
        sys.stderr.write(f"NOTE: no curves: {missing.message}; {missing.help} installs it\n")
