"""A bar for work that may take long, shown only where someone looks on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
MANY = 2000


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """Goes through the items; with a bar on the terminal when they are many."""
    if len(items) < MANY:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(items, what, console=console, transient=True, disable=not console.is_terminal)
