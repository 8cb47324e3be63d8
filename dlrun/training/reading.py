"""What a network says after a sequence of tokens: computed from all of them, or position by position."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dlrun.compiler.compile import compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.passes.advance import is_bounded, obstacle
from dlrun.compiler.updates import UpdateRule
from dlrun.data.dataset import Split
from dlrun.data.tokens import PADDING
from dlrun.executor.executor import Array, Executor
from dlrun.training.session import Session
from dlrun.training.steps import step_table

FIRST_ROW = np.append(step_table(0, 1, 1), 0)
"""The live values of a step that takes the only row, and of it the first position."""


class WholeReader:
    """Computes all positions of a window that holds the last tokens; padding stands at its end, or before them."""

    def __init__(self, session: Session, name: str, length: int, pads_start: bool) -> None:
        self.length, self._pads_start = length, pads_start
        self._ids = np.zeros((1, length), np.int32)
        split = Split({name: self._ids}, {}, None, np.zeros(1, np.int64))
        self.executor = session.evaluator("", split, loss=False)
        self._step: Callable[[Array], None] | None = None

    def after(self, ids: Sequence[int]) -> Array:
        """Return the probability of each token to come after these, the last of which the network sees. (classes,)"""
        seen = ids[-self.length :]
        place = self.length - len(seen) if self._pads_start else 0
        self._ids[:] = PADDING
        self._ids[0, place : place + len(seen)] = seen
        self._step = self._step or self.executor.step_by_step()
        self.executor.forget()
        self._step(FIRST_ROW)
        found: Array = self.executor.data["out/predictions"].reshape(self.length, -1)
        probabilities: Array = found[place + len(seen) - 1].copy()
        return probabilities


class StepReader:
    """Computes each position once: layers keep what they need of those before, keys and values or a state.

    Where layers know no more positions than the window has, longer texts are computed whole from its last tokens.
    """

    def __init__(self, session: Session, name: str, whole: WholeReader) -> None:
        self._whole = whole
        self._most = whole.length if is_bounded(session.graph) else None
        self._ids = np.zeros((1, 1), np.int32)
        goal = Goal(training=False, loss=False, advancing=True)
        config = session.config
        plan = compile_plan(session.model, goal, UpdateRule(), config.precision, 1, 1, config.seed)
        classes = session.graph.output.output_shape[-1]
        data: dict[str, Array] = {
            f"data/inputs/{name}": self._ids, "order": np.zeros(1, np.int64),
            "out/predictions": np.zeros((1, classes), config.precision),
        }  # fmt: skip
        self._executor = Executor(plan, 1, data, whole.executor, session.listener.compiling)
        self._step: Callable[[Array], None] | None = None
        self._live = FIRST_ROW.copy()
        self._read: list[int] = []

    def after(self, ids: Sequence[int]) -> Array:
        """Return the probability of each token to come after these. (classes,)"""
        if self._most is not None and len(ids) > self._most:
            return self._whole.after(ids)
        if self._step is None or len(ids) <= len(self._read) or self._read != list(ids[: len(self._read)]):
            self._step = self._executor.step_by_step()
            self._read = []
        for id in ids[len(self._read) :]:
            self._ids[0, 0] = id
            self._live[-1] = len(self._read)
            self._step(self._live)
            self._read.append(id)
        probabilities: Array = self._executor.data["out/predictions"][0].copy()
        return probabilities


def make_reader(
    session: Session, name: str, length: int, pads_start: bool
) -> tuple[WholeReader, StepReader | None, str | None]:
    """Return the reader of whole windows, that of single positions if there can be one, and else why there is none."""
    whole = WholeReader(session, name, length, pads_start)
    if pads_start:
        return whole, None, "padding stands before the text, which moves with each token"
    place = obstacle(session.graph)
    if place is not None:
        return whole, None, f"{place} needs whole sequences"
    return whole, StepReader(session, name, whole), None
