"""Curves drawn with characters: on a terminal in colours, in a pipe with a character of its own for each run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dlrun.errors import MissingExtra

Curve = tuple[Sequence[float], Sequence[float]]
"""x and y of its points."""
NARROWEST, WIDEST, HEIGHT = 24, 100, 14
"""Columns below which nothing is drawn, columns that are enough, and the lines of the plotting region."""
LABELS = 14
"""Columns that the frame and the labels of the y axis take at most."""


def draw_text(title: str, curves: Mapping[str, Curve], width: int, plain: bool) -> str:
    """Return the curves (x, y) by their names as lines of text, at most `width` columns wide.

    `plain` draws without colours, each curve with a letter of its own, for pipes and files. Values that aren't finite
    are left out. Empty where there is no room, or no curve of two points. Raises: MissingExtra without uniplot.
    """
    points = {name: _finite(xs, ys) for name, (xs, ys) in curves.items()}
    points = {name: (xs, ys) for name, (xs, ys) in points.items() if xs}
    if width < NARROWEST or max((len(xs) for xs, _ in points.values()), default=0) < 2:
        return ""
    try:
        import uniplot
    except ImportError:
        raise MissingExtra("uniplot", "plots", "drawing curves in a terminal") from None
    all_y = [y for _, ys in points.values() for y in ys]
    drawn: str = uniplot.plot_to_string(
        xs=[xs for xs, _ in points.values()],
        ys=[ys for _, ys in points.values()],
        title=_shortened(title, width - LABELS),
        legend_labels=[_shortened(name, width - LABELS) for name in points],
        lines=True,
        width=min(width, WIDEST) - LABELS,
        height=HEIGHT,
        color=not plain,
        character_set="ascii" if plain else "braille",
        y_as_log=0 < min(all_y) * 50 < max(all_y),
        line_length_hard_cap=width,
    )
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def _finite(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    kept = [(float(x), float(y)) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    return [x for x, _ in kept], [y for _, y in kept]


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else "..." + text[len(text) - length + 3 :]
