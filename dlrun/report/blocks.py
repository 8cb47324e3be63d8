"""What a page is made of: charts, tables, pictures, texts, in sections. The template knows how they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

BLUE, ORANGE, GREEN, GREY = "#4d8fd1", "#e8833a", "#3aa675", "#8a93a0"
"""Colours that are told apart on white and on black, and by people who confuse red and green."""
COLOURS = (BLUE, ORANGE, GREEN, "#c05fa0", "#46b3c4", "#b9a02c", "#7d74d6", GREY)
LINE_COLOURS = {"train": BLUE, "validation": ORANGE, "test": GREEN}


@dataclass(frozen=True)
class View:
    """One state of a chart: its name in the chart's list, and Plotly's traces."""

    name: str
    traces: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Chart:
    """A chart of Plotly, with a list to choose from where it has several views."""

    kind: ClassVar[str] = "chart"
    title: str
    views: Sequence[View]
    layout: Mapping[str, Any] = field(default_factory=dict)
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Link:
    """A table's cell that leads somewhere."""

    text: str
    address: str


@dataclass(frozen=True)
class Table:
    """Rows of plain values under the names of columns, which sort when they are clicked."""

    kind: ClassVar[str] = "table"
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    wide: bool = True


@dataclass(frozen=True)
class Picture:
    """An image as a data address, and what is said about it."""

    source: str
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side."""

    kind: ClassVar[str] = "gallery"
    title: str
    pictures: Sequence[Picture]
    caption: str = ""
    wide: bool = True


@dataclass(frozen=True)
class Texts:
    """Texts below each other, each with a heading."""

    kind: ClassVar[str] = "texts"
    title: str
    texts: Sequence[tuple[str, str]]
    caption: str = ""
    wide: bool = True


@dataclass(frozen=True)
class Code:
    """A file's text, folded up."""

    kind: ClassVar[str] = "code"
    title: str
    text: str
    caption: str = ""
    wide: bool = True


Block = Chart | Table | Gallery | Texts | Code


@dataclass(frozen=True)
class Section:
    """Blocks under a heading; those that aren't wide stand side by side where there is room."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """The section's place in the page's address."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    facts: Sequence[tuple[str, Any]]
    sections: Sequence[Section]
    notes: Sequence[str] = ()
    home: Link | None = None
    """Where the page was opened from, if it is part of a site."""


def one(title: str, traces: Sequence[Mapping[str, Any]], **options: Any) -> Chart:
    """A chart with a single view."""
    return Chart(title, (View("", traces),), **options)


def axes(x: str, y: str, **layout: Any) -> dict[str, Any]:
    """The layout of a chart with titles at its axes."""
    return {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}, **layout}
