"""Problems with their places, and how they are printed.

configs/mnist.yaml:14:28: error: model.layers[2].units must be greater than 0, got -5
  14 |     - {type: dense, units: -5, activation: relu}
     |                            ^^
  help: 'units' is the number of output features
1 problem in configs/mnist.yaml
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from dlrun.config.source import Span
from dlrun.errors import ConfigError, Path, Problem

if TYPE_CHECKING:
    from rich.text import Text

TAB = "    "
ELLIPSIS = "…"
DEFAULT_WIDTH = 160


@dataclass(frozen=True)
class Located:
    """A problem and the place that it is printed with."""

    problem: Problem
    span: Span

    @property
    def order(self) -> tuple[tuple[bool, int], int, int]:
        """The order of printing."""
        return self.span.order


class LocatedConfigError(ConfigError):
    """A ConfigError whose problems know their places: `located`, sorted, without repetition.

    `name` is the file that the user named.
    """

    def __init__(self, located: Iterable[Located], name: str) -> None:
        unique = dict.fromkeys(located)
        self.located = tuple(sorted(unique, key=lambda one: one.order))
        self.name = name
        super().__init__([one.problem for one in self.located])

    def render(self, width: int = DEFAULT_WIDTH) -> str:
        """Return the problems as they are printed, in at most `width` columns where source lines are concerned."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines(width))

    def render_rich(self, width: int = DEFAULT_WIDTH) -> Text:
        """Return what `render` returns, in colour."""
        from rich.text import Text

        return Text("\n").join(Text.assemble(*line) for line in self._lines(width))

    def _lines(self, width: int) -> list[StyledLine]:
        lines = [line for one in self.located for line in located_lines(one, width)]
        count = len(self.located)
        return [*lines, [(f"{count} problem{'' if count == 1 else 's'} in {self.name}", "bold")]]


def failure(span: Span, message: str, help: str | None = None, path: Path = ()) -> LocatedConfigError:
    """Return an error of one problem."""
    return LocatedConfigError([Located(Problem(path, message, help), span)], span.source.name)


StyledLine = list[tuple[str, str]]
"""Pieces of a line, each with its style."""


def located_lines(one: Located, width: int) -> list[StyledLine]:
    """Return the lines that show one problem."""
    problem, span = one.problem, one.span
    lines: list[StyledLine] = [[(f"{span}: ", "bold"), ("error: ", "bold red"), (problem.message, "bold")]]
    if 0 < span.line <= len(span.source.lines):
        gutter = f"  {span.line} | "
        line, before, under = excerpt(span, width - len(gutter))
        lines.append([(gutter, "blue"), (line, "")])
        lines.append([(" " * (len(gutter) - 2) + "| ", "blue"), (" " * before + "^" * under, "bold red")])
    if problem.help:
        lines.append([("  help: ", "cyan"), (problem.help, "")])
    return lines


def excerpt(span: Span, width: int) -> tuple[str, int, int]:
    """Return the line of a span in at most `width` columns, the columns before its carets, and how many carets.

    Tabs are shown as spaces, unprintable characters as `�`; a line that is too long is cut around the carets.
    """
    text = span.source.lines[span.line - 1]
    shown = [_shown(character) for character in text]
    cells = [_cells(piece) for piece in shown]
    start = min(span.column - 1, len(text))
    end = min(start + span.width, len(text))
    first, last = 0, len(text)
    if sum(cells) > width:
        first, last = _window(cells, start, end, max(width - 2, 8))
    cut_left, cut_right = first > 0, last < len(text)
    line = ELLIPSIS * cut_left + "".join(shown[first:last]) + ELLIPSIS * cut_right
    before = cut_left + sum(cells[first:start])
    under = sum(cells[start : min(end, last)])
    return line.rstrip(), before, max(under, 1)


def _shown(character: str) -> str:
    if character == "\t":
        return TAB
    return character if character.isprintable() else "�"


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _window(cells: Sequence[int], start: int, end: int, width: int) -> tuple[int, int]:
    """Return the part of a line, in characters, that is shown around [start, end): in `width` columns."""
    first = last = start
    room = width
    while last < end and cells[last] <= room:
        room -= cells[last]
        last += 1
    left = room // 2 if last < len(cells) else room
    while first > 0 and cells[first - 1] <= left:
        first -= 1
        left -= cells[first]
        room -= cells[first]
    while last < len(cells) and cells[last] <= room:
        room -= cells[last]
        last += 1
    return first, last


def path_text(path: Path) -> str:
    """Return a path as messages write it: model.layers[2].units. The root is 'the config'."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the config"


def article(noun: str) -> str:
    """Return a noun with its article: a layer, an optimizer."""
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"


def nearest(name: str, options: Iterable[str]) -> str | None:
    """Return the option that `name` most probably means, or None."""
    by_case = {option.lower(): option for option in sorted(options, reverse=True)}
    wanted = name.lower()
    close = get_close_matches(wanted, by_case, n=1, cutoff=0.6)
    if not close and len(wanted) >= 3:
        close = [option for option in sorted(by_case) if option.startswith(wanted) or wanted.startswith(option)]
    return by_case[close[0]] if close else None


def suggestion(name: str, options: Iterable[str], others: Mapping[str, str] | None = None) -> str | None:
    """Return the help for a name that isn't among `options`: the nearest one, and all of them.

    `others` are further spellings and the options that they stand for; they aren't listed.
    """
    listed = sorted(options)
    if not listed:
        return None
    spellings = {**(others or {}), **{option: option for option in listed}}
    close = nearest(name, spellings)
    return (f"did you mean '{spellings[close]}'? " if close else "") + "one of: " + ", ".join(listed)
