"""A page's blocks as one HTML file: template, style, script and the plotting library all inside."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from dlrun.errors import MissingExtra
from dlrun.report.blocks import Chart, Link, Page
from dlrun.runs.files import write_text

DIGITS = 6
"""Significant digits of numbers in charts."""


@dataclass(frozen=True)
class Site:
    """Where a page that is served, rather than kept as a file, finds what it shares with others."""

    library: str
    """The address of Plotly's JavaScript."""
    scripts: tuple[str, ...] = ()
    """Addresses of scripts that run after the page's own."""


def write_page(path: Path, page: Page) -> None:
    """Write a page. Raises: MissingExtra without plotly or Jinja2; RunError when the file can't be written."""
    write_text(path, render(page))


def check_libraries() -> None:
    """Raise MissingExtra unless a page can be written: better before a network is measured than after."""
    for package in ("jinja2", "plotly"):
        if find_spec(package) is None:
            raise MissingExtra(package, "report", "writing reports")


def render(page: Page, site: Site | None = None) -> str:
    """The page as HTML, whole in itself but for what a site has. Raises: MissingExtra without plotly or Jinja2."""
    check_libraries()
    import jinja2

    strict = jinja2.StrictUndefined
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=strict)
    environment.tests["link"] = lambda value: isinstance(value, Link)
    environment.tests["number_cell"] = _is_number
    environment.filters |= {"shown": shown, "order": order}
    charts = [block for section in page.sections for block in section.blocks if isinstance(block, Chart)]
    template = environment.from_string(asset("page.html"))
    text: str = template.render(
        page=page,
        style=asset("page.css"),
        script=asset("page.js"),
        charts=_json([{"views": _views(chart), "layout": chart.layout} for chart in charts]),
        library=None if site else plotting_library(),
        site=site,
        number={id(chart): index for index, chart in enumerate(charts)},
        id=id,
    )
    return text


def plotting_library() -> str:
    """Plotly's JavaScript, gzipped, in base64: 2 MB instead of 4.8."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()


def _views(chart: Chart) -> list[dict[str, Any]]:
    return [{"name": view.name, "traces": view.traces} for view in chart.views]


def asset(name: str) -> str:
    """The text of a file of this package: page.css, page.js."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """JSON that may stand in a script element: no `<` can end it."""
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def plain(value: Any) -> Any:
    """A value of JSON's types: arrays as lists, floats of a few digits, None for NaN and infinity."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(entry) for entry in value]
    return value


def shown(value: Any) -> str:
    """A value as a table's cell."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:,.1f}" if 1000 <= abs(number) < 1e9 else f"{number:.4g}"
    if isinstance(value, Link):
        return value.text
    return str(value)


def order(value: Any) -> str:
    """What a cell is sorted by: numbers as they are, not as they are shown."""
    return repr(float(value)) if _is_number(value) else ""


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float | np.floating | np.integer) and not (
        isinstance(value, bool) or math.isnan(value)
    )
