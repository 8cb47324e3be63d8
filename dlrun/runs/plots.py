"""The plots of a run: curves over the epochs, the confusion matrix, a sheet of the most confident mistakes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.errors import MissingExtra
from dlrun.runs.files import replacing, writing
from dlrun.runs.metrics_csv import FIRST_COLUMNS, History

Array = np.ndarray[Any, np.dtype[Any]]

_COLOURS = {"train": "#4477aa", "validation": "#ee7733", "test": "#228833"}
_MORE_COLOURS = ("#4477aa", "#ee7733", "#228833", "#aa3377", "#66ccee", "#ccbb44", "#332288", "#bbbbbb")
_INK, _GRID = "#333333", "#e6e6e6"
_CELL, _IMAGE = (1.7, 2.05), 1.6
"""Inches of an image with its text on the sheet of mistakes, and of the image."""
_MOST_LINES_WITH_LEGEND = 10
_MOST_CLASSES_WITH_COUNTS = 25


@contextmanager
def noting(note: Callable[[str], None]) -> Iterator[None]:
    """Lets a block that draws be left out, after a note, when matplotlib isn't installed."""
    try:
        yield
    except MissingExtra as missing:
        note(f"no plots: {missing.message}; {missing.help} installs it")


def draw_curves(path: Path, history: History, title: str = "", best_epoch: int | None = None) -> None:
    """Draws loss, metrics and learning rate over the epochs, a panel each, train and validation together.

    Raises: MissingExtra without matplotlib; RunError when the file can't be written.
    """
    panels = panels_of(history.columns)
    columns = 2 if len(panels) in (2, 4) else min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure = new_figure(4.6 * columns, 3.2 * rows + 0.4, title)
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, lines) in zip(all_axes, panels.items(), strict=False):
        _draw_panel(axes, name, {label: history.series(column) for label, column in lines.items()}, best_epoch)
    for axes in all_axes[len(panels) :]:
        axes.set_visible(False)
    save_figure(figure, path)


def draw_confusion_matrix(
    path: Path, matrix: Sequence[Sequence[float]], classes: Sequence[str], title: str = ""
) -> None:
    """Draws a confusion matrix, coloured by the part of each true class; with its counts up to 25 classes.

    Shapes: matrix (k, k), true classes in rows; classes (k,).
    Raises: MissingExtra without matplotlib; RunError when the file can't be written.
    """
    counts = np.asarray(matrix, np.float64)
    size = len(counts)
    sums = counts.sum(axis=1, keepdims=True)
    parts = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)
    side = float(np.clip(1.8 + 0.45 * size, 4.0, 16.0))
    figure = new_figure(side + 1.2, side + (0.4 if title else 0.0), title)
    axes = figure.subplots()
    image = axes.imshow(parts, cmap="Blues", vmin=0.0, vmax=1.0)
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, label="part of the true class")
    ticks = np.arange(0, size, -(-size // 50))
    names = [shortened(classes[int(tick)]) for tick in ticks]
    font = float(np.clip(180 / max(size, 1), 5, 9))
    turned = max(map(len, names), default=0) > 3
    axes.set_xticks(ticks, names, fontsize=font, rotation=45 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(ticks, names, fontsize=font)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if size <= _MOST_CLASSES_WITH_COUNTS:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if parts[row, column] > 0.55 else _INK
                axes.text(column, row, f"{count:.4g}", ha="center", va="center", fontsize=font, color=colour)
    save_figure(figure, path)


def most_confident_mistakes(y_true: Array, y_pred: Array, count: int = 36) -> Array:
    """The rows whose predicted class is wrong, the most probable first, at most `count`.

    Shapes: y_true (n,) class indices; y_pred (n, k) probabilities, or (n,) and (n, 1) of class 1 → (m,) int64.
    """
    predicted, confidence = decisions(y_pred)
    wrong = np.flatnonzero(predicted != np.asarray(y_true).reshape(-1))
    return wrong[np.argsort(-confidence[wrong], kind="stable")][:count]


def decisions(y_pred: Array) -> tuple[Array, Array]:
    """Predicted class and its probability. Shapes: (n, k), (n,) or (n, 1) → (n,) int64, (n,)."""
    scores = np.asarray(y_pred).reshape(len(y_pred), -1 if len(y_pred) else 1)
    if scores.shape[1] == 1:
        scores = np.concatenate([1.0 - scores, scores], axis=1)
    predicted = scores.argmax(axis=1)
    return predicted, scores[np.arange(len(scores)), predicted]


def draw_mistakes(
    path: Path, images: Array, y_true: Array, y_pred: Array, classes: Sequence[str], title: str = ""
) -> None:
    """Draws a sheet of images with their true and predicted classes, in the order given.

    Give it the rows that `most_confident_mistakes` names; without any the sheet says that there were none.

    Shapes: images (m, height, width), (..., 1) or (..., 3), uint8 or floats of any range; y_true and y_pred as there.
    Raises: MissingExtra without matplotlib; RunError when the file can't be written.
    """
    count = len(images)
    columns = min(max(count, 1), 6)
    rows = max(-(-count // columns), 1)
    width, height = _CELL[0] * max(columns, 3), _CELL[1] * rows + (0.5 if title else 0.1)
    figure = new_figure(width, height, title)
    figure.set_layout_engine(None)
    axes = figure.add_axes((0, 0, 1, 1))  # one for all images: with 36 of them this takes a third of the time
    axes.axis("off")
    if not count:
        axes.text(width / 2, height / 2, "no mistakes", ha="center", va="center", color=_INK)
    predicted, confidence = decisions(y_pred)
    shown = displayable(np.asarray(images))
    for index in range(count):
        true, wrong = shortened(classes[int(y_true[index])], 14), shortened(classes[int(predicted[index])], 14)
        left, bottom = _CELL[0] * (index % columns), _CELL[1] * (rows - 1 - index // columns)
        _draw_image(axes, shown[index], left + _CELL[0] / 2, bottom + _IMAGE / 2 + 0.05)
        text = f"is {true}\nsaid {wrong}, {confidence[index]:.0%}"
        axes.text(left + _CELL[0] / 2, bottom + _IMAGE + 0.09, text, ha="center", va="bottom", fontsize=8, color=_INK)
    axes.set(xlim=(0, width), ylim=(0, height))
    save_figure(figure, path)


def _draw_image(axes: Any, image: Array, x: float, y: float) -> None:
    """Draw an image around a point, as large as fits into a square of _IMAGE inches."""
    tall, wide = image.shape[:2]
    half_width, half_height = (_IMAGE / 2 * extent / max(tall, wide) for extent in (wide, tall))
    extent = (x - half_width, x + half_width, y - half_height, y + half_height)
    axes.imshow(image, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest", extent=extent, aspect="auto")


def panels_of(columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """The columns of each panel by their labels, {"f1": {"train": "train/f1", "train cat": "train/f1/cat"}} say.

    Where there are several targets, each with a loss of its own, each has its own panels: digit/f1.
    """
    panels: dict[str, dict[str, str]] = {"loss": {}}
    targets = [column.removeprefix("train/").removesuffix("/loss") for column in columns if _is_of_target(column)]
    for column in columns:
        split, _, rest = column.partition("/")
        if column in FIRST_COLUMNS or not rest:
            continue
        target = next((each for each in targets if rest.startswith(f"{each}/")), None)
        prefix = "" if target is None else f"{target}/"
        name, _, part = rest.removeprefix(prefix).partition("/")
        name = prefix + name
        panels.setdefault(name, {})[f"{split} {part}".strip()] = column
    panels["learning rate"] = {"": "learning_rate"}
    return {name: lines for name, lines in panels.items() if lines}


def _is_of_target(column: str) -> bool:
    """Whether a column is the loss of one of several targets, such as train/digit/loss."""
    return column.startswith("train/") and column.endswith("/loss") and column != "train/loss"


def _draw_panel(axes: Any, name: str, lines: dict[str, tuple[list[int], list[float]]], best_epoch: int | None) -> None:
    largest, smallest = 0.0, np.inf
    for position, (label, (epochs, values)) in enumerate(lines.items()):
        finite = np.where(np.isfinite(values), values, np.nan)
        colour = _COLOURS.get(label, _MORE_COLOURS[position % len(_MORE_COLOURS)])
        marker = "o" if len(epochs) <= 30 else ""
        axes.plot(epochs, finite, color=colour, marker=marker, markersize=3.5, linewidth=1.6, label=escaped(label))
        known = finite[~np.isnan(finite)]
        largest, smallest = max(largest, known.max(initial=0.0)), min(smallest, known.min(initial=np.inf))
    if 0 < smallest * 50 < largest < np.inf:
        axes.set_yscale("log")
    if best_epoch is not None:
        axes.axvline(best_epoch, color="#999999", linewidth=1.0, linestyle=(0, (4, 3)), zorder=0)
    axes.set_title(escaped(name), fontsize=11, color=_INK, loc="left")
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if any(lines) and len(lines) <= _MOST_LINES_WITH_LEGEND:
        axes.legend(frameon=False, fontsize=8)


def displayable(images: Array) -> Array:
    """Images as floats from 0 to 1, grey ones without a channel axis."""
    shown = images.astype(np.float64) / (255.0 if images.dtype == np.uint8 else 1.0)
    if shown.ndim == 4 and shown.shape[-1] not in (3, 4):
        shown = shown[..., :1].mean(axis=-1)
    shown = np.nan_to_num(shown, posinf=0.0, neginf=0.0)
    if shown.size and (shown.min() < 0 or shown.max() > 1):  # standardised images: the sheet's own range
        shown = (shown - shown.min()) / (float(np.ptp(shown)) or 1.0)
    return shown


def new_figure(width: float, height: float, title: str) -> Any:
    """An empty figure of its own: pyplot's list of figures and its choice of a window system stay untouched."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "plots", "drawing plots") from None
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(escaped(title), fontsize=12, color=_INK)
    return figure


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as a whole: as SVG where the name ends so, else as PNG. Raises: RunError."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font lacks is drawn as a box, and that is enough
        figure.savefig(temporary, format="svg" if path.suffix == ".svg" else "png", dpi=140)


def shortened(name: str, length: int = 24) -> str:
    """A name that fits, escaped."""
    return escaped(name if len(name) <= length else name[: length - 1] + "…")


def escaped(text: str) -> str:
    """The text with dollar signs as they are: matplotlib would read formulas between them."""
    return text.replace("$", r"\$")
