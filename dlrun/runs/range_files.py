"""What a learning-rate range test writes: its curve as a picture, its steps as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.errors import UsageError
from dlrun.runs.csv_file import write_table
from dlrun.runs.plots import escaped, new_figure, save_figure

ENDINGS = (".png", ".svg", ".csv")
COLOURS = ("#228833", "#ee7733", "#aa3377")
Array = np.ndarray[Any, np.dtype[Any]]


def check_output(path: Path) -> None:
    """Raise UsageError unless a range test can be written into such a file."""
    if path.suffix not in ENDINGS:
        raise UsageError(f"can't write a range test as {path.name!r}", "name a .png, .svg or .csv file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} for {path.name}")


def write_range(
    path: Path, title: str, rates: Array, losses: Array, smoothed: Array, suggestions: Mapping[str, float]
) -> None:
    """Write the steps' rates, losses and smoothed losses, (n,) each, in the form that the file's name asks for.

    Raises: MissingExtra without matplotlib, for a picture; RunError when the file can't be written.
    """
    if path.suffix == ".csv":
        _write_csv(path, rates, losses, smoothed)
    else:
        _draw(path, title, rates, losses, smoothed, suggestions)


def _write_csv(path: Path, rates: Array, losses: Array, smoothed: Array) -> None:
    columns = zip(rates.tolist(), losses.tolist(), smoothed.tolist(), strict=True)
    names = ("step", "learning_rate", "loss", "smoothed")
    write_table(path, [dict(zip(names, (step, *row), strict=True)) for step, row in enumerate(columns, 1)])


def _draw(
    path: Path, title: str, rates: Array, losses: Array, smoothed: Array, suggestions: Mapping[str, float]
) -> None:
    figure = new_figure(7.5, 4.5, title)
    axes = figure.subplots()
    axes.plot(rates, losses, color="#bbbbbb", linewidth=0.8, label="loss of the step")
    axes.plot(rates, smoothed, color="#4477aa", linewidth=1.8, label="smoothed")
    for (name, rate), colour in zip(suggestions.items(), COLOURS, strict=False):
        axes.axvline(rate, color=colour, linewidth=1.2, linestyle=(0, (4, 3)), label=escaped(f"{name}: {rate:.2g}"))
    axes.set_xscale("log")
    low, high = float(smoothed.min()), float(smoothed.max())
    if 0 < low * 50 < high:
        axes.set_yscale("log")
    else:
        margin = 0.1 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    save_figure(figure, path)
