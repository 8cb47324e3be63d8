"""How commands print: errors, tables, JSON."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from dlrun.errors import DlrunError, Interrupted

LONGEST = 12
"""How many values of a list a cell shows; files and JSON have them all."""


def terminal_width() -> int:
    """Return the width of the terminal, or 100 where there is none."""
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def say(text: str) -> None:
    """Print a line at once; in silence once nobody reads any more (see `mute`)."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError:
        mute()


def hand_over() -> None:
    """Let the reader have what was printed so far, where more work follows. Raises: OSError on a full disk."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        mute()


def mute() -> None:
    """Send standard output nowhere from now on: the reader of a pipe (head, less) went away, or the terminal.

    A training goes on then, as it does when nobody looks; its log is in train.log.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def show_error(error: DlrunError) -> None:
    """Print an error, and the way out if it has one, to standard error."""
    render = getattr(error, "render", None)
    if render is not None:
        sys.stderr.write(render(terminal_width()) + "\n")
        return
    problems = getattr(error, "problems", None)
    if problems:
        for problem in problems:
            sys.stderr.write(f"error: {problem.message}\n" + (f"  help: {problem.help}\n" if problem.help else ""))
        return
    title = "" if isinstance(error, Interrupted) else "error: "
    sys.stderr.write(f"{title}{error.message}\n")
    if error.help:
        sys.stderr.write(f"  help: {error.help}\n")


def print_json(value: Any) -> None:
    """Print a value as JSON; NaN and infinity become null."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, int | str | bool) or value is None:
        return value
    return str(value)


def measure(value: float) -> str:
    """Return a loss or a metric as lines of progress show it: 0.1234, 58,780.3."""
    return f"{value:.4f}" if not abs(value) >= 1000 else f"{value:,.1f}" if abs(value) < 1e9 else f"{value:.4g}"


def cell(value: Any) -> str:
    """Return a value as a table's cell."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        shown = ", ".join(cell(entry) for entry in value[:LONGEST])
        return shown if len(value) <= LONGEST else f"{shown}, … ({len(value)} values)"
    return str(value)


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print rows as a table: rich on a terminal, aligned plain text in a pipe, a paragraph a row where it is narrow."""
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    cells = [[cell(row.get(name)) for name in names] for row in rows]
    if not sys.stdout.isatty():
        _print_plain([names, *cells])
    elif _least_width([names, *cells]) > terminal_width():
        _print_paragraphs(names, cells)
    else:
        _print_rich(names, cells)


def _least_width(lines: Sequence[Sequence[str]]) -> int:
    """Return the columns' least width together: no word is broken."""
    words = ([len(word) for text in column for word in text.split()] for column in zip(*lines, strict=True))
    return sum(max(lengths, default=0) + 2 for lengths in words)


def _print_plain(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        sys.stdout.write("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _print_paragraphs(names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    for row in cells:
        lines = [f"{name}: {text}\n" for name, text in zip(names, row, strict=True) if text]
        sys.stdout.write("".join(lines) + "\n")


def _print_rich(names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)
