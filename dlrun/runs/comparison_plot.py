"""The picture of `dlrun compare`: a panel for each metric, a colour for each run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.errors import UsageError
from dlrun.runs.comparison import Comparison
from dlrun.runs.plots import escaped, new_figure, save_figure, shortened

ENDINGS = (".png", ".svg")
COLOURS = ("#4477aa", "#ee7733", "#228833", "#aa3377", "#66ccee", "#ccbb44", "#332288", "#bbbbbb")
STYLES = {"validation": "-", "train": (0, (4, 2))}
"""Lines of the splits: unbroken and dashed; a metric of training rows alone is drawn unbroken too."""


def check_output(path: Path) -> None:
    """Raise UsageError unless a comparison can be drawn into such a file."""
    if path.suffix not in ENDINGS:
        raise UsageError(f"can't draw a comparison as {path.name!r}", "name a .png or .svg file")


def draw_comparison(path: Path, comparison: Comparison) -> None:
    """Draw the metrics' curves over the epochs; those of training and validation rows share a panel.

    Raises: MissingExtra without matplotlib; RunError when the file can't be written.
    """
    panels = list(dict.fromkeys(name.partition("/")[2] for name in comparison.metrics))
    columns = 2 if len(panels) in (2, 4) else min(max(len(panels), 1), 3)
    rows = max(-(-len(panels) // columns), 1)
    figure = new_figure(4.6 * columns, 3.2 * rows + 0.25 * len(comparison.runs) + 0.3, "")
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(all_axes, panels, strict=False):
        _draw_panel(axes, panel, comparison)
    for axes in all_axes[len(panels) :]:
        axes.set_visible(False)
    figure.legend(handles=list(_handles(figure, comparison)), loc="outside lower left", frameon=False, fontsize=8)
    save_figure(figure, path)


def _draw_panel(axes: Any, panel: str, comparison: Comparison) -> None:
    names = [name for name in comparison.metrics if name.partition("/")[2] == panel]
    drawn: list[float] = []
    for index, run in enumerate(comparison.runs):
        for name in names:
            epochs, values = run.history.series(name)
            finite = np.where(np.isfinite(values), values, np.nan)
            style = STYLES.get(name.partition("/")[0], "-") if len(names) > 1 else "-"
            marker = "o" if len(epochs) <= 30 else ""
            colour = COLOURS[index % len(COLOURS)]
            axes.plot(epochs, finite, color=colour, linestyle=style, marker=marker, markersize=3, linewidth=1.5)
            drawn += [float(value) for value in finite if not np.isnan(value)]
    if drawn and 0 < min(drawn) * 50 < max(drawn):
        axes.set_yscale("log")
    title = names[0] if len(names) == 1 else f"{panel} (validation; train dashed)"
    axes.set_title(escaped(title), fontsize=10, color="#333333", loc="left")
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _handles(figure: Any, comparison: Comparison) -> Iterator[Any]:
    from matplotlib.lines import Line2D

    for index, run in enumerate(comparison.runs):
        yield Line2D([], [], color=COLOURS[index % len(COLOURS)], linewidth=2, label=shortened(run.label, 60))
