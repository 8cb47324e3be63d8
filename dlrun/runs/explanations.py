"""The files of `dlrun explain`: sheets of maps, coloured text, bars, and the numbers as CSV and npz."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.runs.files import replacing, write_text
from dlrun.runs.plots import displayable, escaped, new_figure, save_figure, shortened

Array = np.ndarray[Any, np.dtype[Any]]
CLIPPED = 99.0
"""The percentile of a map's absolute values that gets the full colour: single pixels don't darken all others."""
STYLE = """body { font: 16px/1.9 sans-serif; max-width: 60em; margin: 2em auto; color: #222 }
h2 { font-size: 1em; margin: 1.6em 0 0 } .tokens { font-family: monospace }
span { padding: 2px 1px; border-radius: 3px }
"""


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays as a compressed npz. Raises: RunError."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        content: dict[str, Any] = dict(arrays)
        np.savez_compressed(file, **content)


def draw_maps(path: Path, images: Array, saliency: Array, integrated: Array, titles: Sequence[str]) -> None:
    """Draw a row for each image: the image, |gradient| from white to black, and what adds (red) and takes away (blue).

    Shapes: images (m, h, w, c), saliency and integrated (m, h, w), m titles.
    Raises: MissingExtra without matplotlib; RunError when the file can't be written.
    """
    count = len(images)
    figure = new_figure(6.6, 2.35 * count + 0.4, "")
    axes = figure.subplots(count, 3, squeeze=False)
    for row, image in enumerate(displayable(images)):
        axes[row][0].imshow(image, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
        axes[row][0].set_title(escaped(titles[row]), fontsize=8, loc="left")
        most = _most(saliency[row])
        axes[row][1].imshow(saliency[row], cmap="Greys", vmin=0.0, vmax=most, interpolation="nearest")
        most = _most(integrated[row])
        axes[row][2].imshow(integrated[row], cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
        for each in axes[row]:
            each.set(xticks=[], yticks=[])
    if count:
        axes[0][1].set_title("|gradient|", fontsize=8)
        axes[0][2].set_title("integrated gradients", fontsize=8)
    save_figure(figure, path)


def _most(values: Array) -> float:
    """The absolute value that gets the full colour."""
    return float(np.percentile(np.abs(values), CLIPPED)) or float(np.abs(values).max()) or 1.0


def draw_importance(path: Path, names: Sequence[str], means: Sequence[float], spreads: Sequence[float]) -> None:
    """Draw a bar for each column, the first at the top, with its standard deviation.

    Raises: MissingExtra without matplotlib; RunError when the file can't be written.
    """
    figure = new_figure(6.5, 0.3 * len(names) + 1.1, "")
    axes = figure.subplots()
    places = np.arange(len(names))[::-1]
    axes.barh(places, means, xerr=spreads, color="#4477aa", ecolor="#333333", height=0.7)
    axes.set_yticks(places, [shortened(name, 30) for name in names], fontsize=8)
    axes.axvline(0.0, color="#999999", linewidth=0.8)
    axes.set_xlabel("increase of the loss when the column is shuffled")
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def write_text_page(path: Path, title: str, samples: Sequence[tuple[str, Sequence[str], Array]]) -> None:
    """Write tokens on colours as a page: red adds to the score, blue takes away from it.

    Each sample is its heading, its tokens, and their contributions (tokens,). Raises: RunError.
    """
    parts = [
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">', f"<title>{html.escape(title)}</title>",
        f"<style>{STYLE}</style></head><body>", f"<h1>{html.escape(title)}</h1>",
        "<p>Red adds to the score, blue takes away from it; the colours are relative to the text's largest part.</p>",
    ]  # fmt: skip
    for heading, tokens, contributions in samples:
        parts += [f"<h2>{html.escape(heading)}</h2>", f'<p class="tokens">{_coloured(tokens, contributions)}</p>']
    write_text(path, "\n".join([*parts, "</body></html>", ""]))


def _coloured(tokens: Sequence[str], contributions: Array) -> str:
    most = float(np.abs(contributions).max(initial=0.0)) or 1.0
    space = "" if all(len(token) == 1 for token in tokens) else " "
    spans = []
    for token, value in zip(tokens, contributions, strict=True):
        red, blue = (214, 64, 50), (50, 100, 214)
        colour = ",".join(map(str, red if value > 0 else blue))
        share = abs(float(value)) / most
        shown = html.escape(token.replace("\n", "⏎"))
        spans.append(f'<span style="background: rgba({colour},{share:.2f})" title="{value:+.4g}">{shown}</span>')
    return space.join(spans)
