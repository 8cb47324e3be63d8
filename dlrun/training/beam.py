"""Beam search: the most probable sequences that a network's next tokens add up to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from dlrun.executor.executor import Array


@dataclass(frozen=True)
class Search:
    """How sequences are looked for: `beam` of them at a time, 1 takes the likeliest token each time (greedy).

    Of the ended ones that with the largest log P / lp is taken, lp = ((5 + tokens) / 6)^length_penalty: Y. Wu et al.,
    "Google's neural machine translation system" (2016), equation 14. A length penalty of 0 favours short ones.
    """

    beam: int = 4
    length_penalty: float = 0.6

    def score(self, log_probability: float, tokens: int) -> float:
        """Return what ended sequences of so many tokens, the end among them, are compared by."""
        penalty: float = ((5 + tokens) / 6) ** self.length_penalty
        return log_probability / penalty


class Beams:
    """The sequences of `count` rows that are being searched for, each of at most `length` tokens behind the start.

    `ids` (count, beam, length + 1) int32 holds those that go on, padded with 0. A row is done when it has as many
    ended sequences as the beam is wide, or none that goes on.
    """

    def __init__(self, count: int, search: Search, start: int, end: int, length: int) -> None:
        self.search, self.end, self.length = search, end, length
        self.ids = np.zeros((count, search.beam, length + 1), np.int32)
        self.ids[:, :, 0] = start
        self._log = np.full((count, search.beam), -np.inf)
        self._log[:, 0] = 0.0
        self._ended: list[list[tuple[float, list[int]]]] = [[] for _ in range(count)]
        self.done = np.zeros(count, bool)

    @property
    def waiting(self) -> Array:
        """The rows that aren't done, (n,) int64."""
        return np.flatnonzero(~self.done)

    def advance(self, rows: Array, probabilities: Array, position: int, forbidden: Collection[int]) -> None:
        """Let the sequences of some rows grow by a token, of which probabilities are given: (n, beam, classes).

        `position` counts the tokens behind the start so far; `forbidden` tokens don't come.
        """
        beam, classes = probabilities.shape[1:]
        with np.errstate(divide="ignore"):
            logs = np.log(probabilities.astype(np.float64))
        logs[:, :, list(forbidden)] = -np.inf
        total = (self._log[rows][:, :, None] + logs).reshape(len(rows), beam * classes)
        count = min(2 * beam, beam * classes)
        likely = np.argpartition(-total, count - 1, axis=1)[:, :count]
        likely.sort(axis=1)
        values = np.take_along_axis(total, likely, axis=1)
        by_value = np.argsort(-values, axis=1, kind="stable")
        likely, values = (np.take_along_axis(array, by_value, axis=1) for array in (likely, values))
        for row, choices, logs_of_row in zip(rows, likely, values, strict=True):
            if not self.done[row]:
                self._grow(int(row), choices, logs_of_row, position, classes)

    def _grow(self, row: int, choices: Array, logs: Array, position: int, classes: int) -> None:
        """Take a row's likeliest continuations, the likeliest first: those that end, and those that go on."""
        before, ended = self.ids[row].copy(), self._ended[row]
        going = 0
        self._log[row] = -np.inf
        for rank, (choice, log) in enumerate(zip(choices, logs, strict=True)):
            origin, token = divmod(int(choice), classes)
            if log == -np.inf or going == self.search.beam:
                break
            if token == self.end:
                if rank < self.search.beam and len(ended) < self.search.beam:
                    tokens = before[origin, 1 : position + 1].tolist()
                    ended.append((self.search.score(float(log), position + 1), tokens))
                continue
            self.ids[row, going] = before[origin]
            self.ids[row, going, position + 1] = token
            self._log[row, going] = log
            going += 1
        self.done[row] = going == 0 or len(ended) == self.search.beam or position + 1 == self.length

    def best(self) -> list[list[int]]:
        """Return each row's best sequence, without start and end; where none has ended, one that would have gone on."""
        return [self._best(row) for row in range(len(self.ids))]

    def _best(self, row: int) -> list[int]:
        if self._ended[row]:
            return max(self._ended[row], key=lambda found: found[0])[1]
        tokens: list[int] = self.ids[row, 0, 1:].tolist()
        return tokens[: tokens.index(0)] if 0 in tokens else tokens
