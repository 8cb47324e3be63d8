"""dlrun find-lr CONFIG [path=value ...]."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.options import Overrides, RunsFolder

if TYPE_CHECKING:
    from dlrun.training.rate_range import Tested


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("find-lr")(find_lr)


def find_lr(
    config: Annotated[Path, typer.Argument(help="The YAML file that describes the run.")],
    overrides: Overrides = None,
    lowest: Annotated[float, typer.Option("--min", help="The learning rate of the first step.")] = 1e-7,
    highest: Annotated[float, typer.Option("--max", help="That of the last step.")] = 10.0,
    steps: Annotated[int, typer.Option(help="How many steps the rate takes from one to the other.")] = 300,
    smoothing: Annotated[
        float, typer.Option(help="How much of the running mean of the losses each step keeps: 0 smooths nothing.")
    ] = 0.95,
    output: Annotated[
        list[Path] | None, typer.Option("--output", "-o", help="Write a .png, .svg or .csv file; repeatable.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON, each step included.")] = False,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Train CONFIG for some steps with a growing learning rate, and suggest one; nothing is kept.

    Example: dlrun find-lr configs/mnist_cnn.yaml --output range.png
    """
    from dlrun.cli.output import print_json
    from dlrun.cli.progress import Aside, LiveDisplay
    from dlrun.config.load import load_config
    from dlrun.runs.range_files import check_output, write_range
    from dlrun.training import fit
    from dlrun.training.rate_range import Range, range_test

    tried = Range(lowest, highest, steps, smoothing)
    tried.check()
    for path in output or []:
        check_output(path)
    loaded = load_config(config, overrides or [])
    fit.validate(loaded)
    if sys.stdout.isatty() and not json:
        with LiveDisplay() as display:
            found = range_test(loaded, tried, runs, display)
    else:
        found = range_test(loaded, tried, runs, Aside())
    for path in output or []:
        write_range(path, loaded.config.name, found.rates, found.losses, found.smoothed, found.suggestions)
    if json:
        print_json(found.to_json())
        return
    others = [each for each in overrides or [] if not each.startswith(f"{found.field}=")]
    _print(found, shlex.join(["dlrun", "train", str(config), *others]))
    for path in output or []:
        sys.stdout.write(f"{path}\n")


def _print(found: Tested, command: str) -> None:
    from dlrun.cli.output import print_table
    from dlrun.training.rate_suggestions import RULES

    _print_curve(found)
    done = f"{len(found.losses)} steps of {found.batch_size} rows, {found.epochs:,.2f} epochs"
    ending = "the training diverged" if found.diverged else "the training didn't diverge"
    sys.stdout.write(f"{done}, {found.rates[0]:.2g} to {found.rates[-1]:.2g}: {ending}\n")
    for note in found.notes:
        sys.stdout.write(f"NOTE: {note}\n")
    if found.suggestions:
        rows = [
            {"rule": name, "learning rate": f"{rate:.2g}", "is": RULES[name]}
            for name, rate in found.suggestions.items()
        ]
        print_table(rows)
        sys.stdout.write(f"{command} {found.override(next(iter(found.suggestions.values())))}\n")


def _print_curve(found: Tested) -> None:
    import numpy as np

    from dlrun.cli.output import terminal_width
    from dlrun.errors import MissingExtra
    from dlrun.runs.text_plot import draw_text

    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    curves = {"smoothed loss": (np.log10(found.rates).tolist(), found.smoothed.tolist())}
    for name, rate in list(found.suggestions.items())[:1]:
        ends = [float(found.smoothed.min()), float(found.smoothed.max())]
        curves[f"{name}: {rate:.2g}"] = ([float(np.log10(rate))] * 2, ends)
    try:
        drawn = draw_text("loss by the learning rate's log10", curves, terminal_width(), plain)
        sys.stdout.write(f"{drawn}\n" if drawn else "")
    except MissingExtra as missing:
        sys.stderr.write(f"NOTE: no curve: {missing.message}; {missing.help} installs it\n")
