"""A stream of text as windows: what a language model learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.pipeline import Pipeline, Step
from dlrun.data.sources.base import Windows
from dlrun.data.transforms.base import Fitted, Transform
from dlrun.errors import ConfigError, DataError, Problem, ShapeError

if TYPE_CHECKING:
    from dlrun.data.config import DataConfig, SplitConfig

IGNORED = -1
"""The label of a position that has nothing to predict."""


@dataclass(frozen=True)
class Following:
    """A target of tokens: those of an input, so many positions on."""

    input: str
    shift: int


class Cut(Transform):
    """The last step of a stream's input: its tokens, one row after the other, become windows of `length`."""

    type: Literal["cut"] = "cut"
    length: int
    stride: int

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """Tokens → (length,) int32."""
        if layout.kind != "tokens":
            raise ShapeError(
                f"a stream is cut into windows of tokens, but got {layout.kind}",
                help="end the input's transforms with tokenize: transforms: [{type: tokenize, level: character}]",
            )
        return Layout("sequence", (self.length,), "int32", values=layout.values)

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """(rows,) arrays of ids → (windows, length) int32."""
        return self.windows(array, 0)

    def windows(self, array: Array, ahead: int) -> Array:
        """(rows,) arrays of ids → (windows, length + ahead) int32, only such as the tokens fill."""
        tokens: Array = np.concatenate([np.zeros(0, np.int32), *array])
        size = self.length + ahead
        if len(tokens) < size:
            raise DataError(
                f"a part of the stream has {len(tokens)} tokens, a window needs {size}",
                help="shorten the source's length, or change the split",
            )
        return np.lib.stride_tricks.sliding_window_view(tokens, size)[:: self.stride]


def cut_stream(plan: Pipeline, windows: Windows) -> Pipeline:
    """An input's way with the windows at its end; raises ConfigError where texts have ends, as a stream has none."""
    for step in plan.steps:
        for field in ("start_token", "end_token"):
            if getattr(step.transform, field, None) is not None:
                raise ConfigError([Problem((*step.path, field), "a stream has neither starts nor ends")])
    step = Step(Cut(length=windows.length, stride=windows.stride), plan.path, f"inputs/{plan.name}/cut")
    return replace(plan, steps=(*plan.steps, step))


def chronological(split: SplitConfig) -> SplitConfig:
    """The split of a stream: later text validates and tests, so that no window is in two. Raises ConfigError."""
    if split.type == "folds" and not split.forward:
        message = "a stream's folds follow each other: only what comes before one can train for it"
        raise ConfigError([Problem(("data", "split", "type"), message, help="add `forward: true` (--forward)")])
    if split.type in ("random", "stratified") or split.sort_by is not None:
        raise ConfigError(
            [
                Problem(
                    ("data", "split", "type" if split.sort_by is None else "sort_by"),
                    "a stream is divided in its own order",
                    help="leave it out: the stream's last part validates",
                )
            ]
        )
    return split.model_copy(update={"type": split.type or "chronological"})


def check_stream(config: DataConfig, following: int) -> None:
    """Raises ConfigError unless a stream has one input, whose tokens are what is to be predicted."""
    if len(config.inputs or {"": None}) > 1:
        raise ConfigError([Problem(("data", "inputs"), "a stream is cut into the windows of one input")])
    if following < len(config.targets):
        place = ("data", "target") if config.target is not None else ("data", "source")
        message = "of a stream only its own tokens can be predicted"
        raise ConfigError([Problem(place, message, help="target: {input: text, shift: 1} is a language model's")])


def stream_order(rows: int, batch: int) -> Array:
    """The order in which rows make `batch` streams at once: each goes on, step by step, at its place in the batch.

    The rows, one after the other, are divided into streams of equal length, but that the first ones may have a row
    more: theirs is the last step. (rows,) int64.
    """
    steps = -(-rows // batch)
    longer = rows - (steps - 1) * batch
    number = np.arange(batch)
    starts = number * (steps - 1) + np.minimum(number, longer)
    order: Array = (np.arange(steps)[:, None] + starts).reshape(-1)[:rows]
    return order


def following(ids: Array, shift: int) -> Array:
    """The target of padded rows: ids[:, shift:], IGNORED where that is padding or lies beyond the row."""
    result = np.full(ids.shape, IGNORED, np.int32)
    result[:, : ids.shape[1] - shift] = ids[:, shift:]
    result[result == 0] = IGNORED
    return result


def window_rows(tokens: Array, cut: Cut, targets: Mapping[str, Following]) -> tuple[Array, dict[str, Array]]:
    """(input, targets by name) of a split of a stream, as views, each (windows, length)."""
    ahead = max((target.shift for target in targets.values()), default=0)
    whole = cut.windows(tokens, ahead)
    return whole[:, : cut.length], {
        name: whole[:, target.shift : target.shift + cut.length] for name, target in targets.items()
    }
