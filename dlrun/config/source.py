"""Texts that problems point into, and places in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What YAML counts as the end of a line."""


@dataclass(frozen=True, eq=False)
class Source:
    """A text of a config: a file (`name` is its path as the user wrote it) or an override.

    `rank` orders the texts that make up one config: 0 is the file itself, -1 the file that it extends, -2 the one
    that that extends, 1 the first override, and so on. Where two give the same value, the higher rank wins.
    """

    name: str
    text: str
    rank: int = 0

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text without their ends."""
        return LINE_BREAK.split(self.text)

    @property
    def order(self) -> tuple[bool, int]:
        """The order of printing: the file itself, the files that it extends, the overrides."""
        return self.rank > 0, abs(self.rank)


@dataclass(frozen=True)
class Span:
    """A place in a source: `width` characters from `line` and `column`, both counted from 1.

    A value of several lines is represented by its first. Line 0 stands for the source as a whole.
    """

    source: Source
    line: int
    column: int
    width: int = 1

    @property
    def order(self) -> tuple[tuple[bool, int], int, int]:
        """The order of printing."""
        return self.source.order, self.line, self.column

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}" if self.line else self.source.name
