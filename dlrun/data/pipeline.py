"""One feature's way from the source's columns through its transforms to the array that the network sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.sources.base import Column
from dlrun.data.transforms.base import Fitted, Transform
from dlrun.errors import ConfigError, DataError, Path, Problem, ShapeError

CHUNK = 8 << 20
"""Bytes of the raw array that go through the transforms at a time."""


@dataclass(frozen=True)
class Step:
    """A transform, its place in the config, and the key under which what it learned is kept."""

    transform: Transform
    path: Path
    key: str


@dataclass(frozen=True)
class Pipeline:
    """A feature before anything was learned: the columns it is made of, and its steps."""

    name: str
    path: Path
    columns: tuple[str, ...]
    layout: Layout
    steps: tuple[Step, ...]
    single: bool = False
    """Whether one column becomes one number a row, shape (), rather than (1,)."""


@dataclass(frozen=True)
class FittedPipeline:
    """A feature whose transforms have learned what they need; `layouts` has one more entry than there are steps."""

    plan: Pipeline
    layouts: tuple[Layout, ...]
    fitted: tuple[Fitted, ...]

    @property
    def layout(self) -> Layout:
        """What comes out."""
        return self.layouts[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row of the final array."""
        return () if self.plan.single and self.layout.shape == (1,) else self.layout.shape

    @property
    def dtype(self) -> str:
        """The dtype of the final array: uint8, int32 or float32."""
        return "float32" if self.layout.dtype == "float64" else self.layout.dtype

    def apply(self, chunk: Array) -> Array:
        """Raw rows (rows, *raw shape) → final rows (rows, *shape); raises DataError for values that can't be used."""
        for step, layout, fitted in zip(self.plan.steps, self.layouts, self.fitted, strict=False):
            chunk = step.transform.apply(chunk, layout, fitted)
        if self.dtype == "float32":
            _refuse_non_finite(chunk, self.layout, self.plan)
        return chunk.astype(self.dtype, copy=False).reshape(len(chunk), *self.shape)

    def before_last(self, chunk: Array) -> Array:
        """Raw rows (rows, *raw shape) as they arrive at the last step."""
        for step, layout, fitted in zip(self.plan.steps[:-1], self.layouts, self.fitted, strict=False):
            chunk = step.transform.apply(chunk, layout, fitted)
        return chunk

    def learned(self) -> dict[str, Any]:
        """What was learned, under keys such as "inputs/image/0/mean"."""
        return {
            f"{step.key}/{name}": value
            for step, fitted in zip(self.plan.steps, self.fitted, strict=True)
            for name, value in fitted.items()
        }


def raw_layout(columns: Sequence[Column], path: Path) -> Layout:
    """The layout of these columns side by side; raises ConfigError when they don't go together."""
    names = tuple(column.name for column in columns)
    first = columns[0]
    if len(columns) > 1:
        _check_alike(columns, path)
    if first.kind == "labels" and first.shape:
        return Layout("category", first.shape, "int32", values=(first.values,))
    if first.kind in ("text", "labels"):
        return Layout("text", (len(columns),), "int32", names, tuple(column.values for column in columns))
    if first.shape == ():
        return Layout("numbers", (len(columns),), "float64", names)
    kind = "image" if first.kind == "image" else "numbers"
    return Layout(kind, first.shape, first.dtype, range=first.range)  # type: ignore[arg-type]


def gather(plan: Pipeline, arrays: Mapping[str, Array], index: Array | slice) -> Array:
    """The raw rows of a feature: (rows, *plan.layout.shape) of its dtype."""
    if plan.layout.columns is None:
        return arrays[plan.columns[0]][index].astype(plan.layout.dtype, copy=False)
    parts = [arrays[name][index] for name in plan.columns]
    return np.stack(parts, axis=1).astype(plan.layout.dtype, copy=False)


def chunks(plan: Pipeline, index: Array) -> Iterator[tuple[int, Array]]:
    """(start, row numbers) of consecutive parts of `index` of a bounded size in bytes."""
    row = max(prod(plan.layout.shape) * np.dtype(plan.layout.dtype).itemsize, 1)
    length = max(CHUNK // row, 1)
    for start in range(0, len(index), length):
        yield start, index[start : start + length]


def check(plan: Pipeline) -> Layout | None:
    """Shape inference alone, before any row is read: what comes out, or None where that depends on the data.

    Raises ConfigError for a transform that can't take what arrives at it.
    """
    layout = plan.layout
    for step in plan.steps:
        after = _after(step, layout, None)
        if step.transform.widens:
            return None
        layout = after
    return _usable(layout, plan)


def fit(plan: Pipeline, arrays: Mapping[str, Array], train: Array, known: Mapping[str, Any] | None) -> FittedPipeline:
    """Lets each transform learn from the training rows, or takes what `known` says that it learned before.

    Raises ConfigError for a transform that can't take what arrives at it, DataError where the rows don't allow it.
    """
    layouts, learned = [plan.layout], list[Fitted]()
    for position, step in enumerate(plan.steps):
        _after(step, layouts[-1], None)
        if known is not None:
            prefix = f"{step.key}/"
            fitted = {key[len(prefix) :]: value for key, value in known.items() if key.startswith(prefix)}
        else:
            fitted = step.transform.fit(_training_chunks(plan, layouts, learned, position, arrays, train), layouts[-1])
        learned.append(fitted)
        layouts.append(_after(step, layouts[-1], fitted))
    _usable(layouts[-1], plan)
    return FittedPipeline(plan, tuple(layouts), tuple(learned))


def _training_chunks(
    plan: Pipeline,
    layouts: Sequence[Layout],
    learned: Sequence[Fitted],
    position: int,
    arrays: Mapping[str, Array],
    train: Array,
) -> Callable[[], Iterator[Array]]:
    """The training rows as they arrive at the step in this position."""

    def each() -> Iterator[Array]:
        for _, index in chunks(plan, train):
            chunk = gather(plan, arrays, index)
            for step, layout, fitted in zip(plan.steps[:position], layouts, learned, strict=False):
                chunk = step.transform.apply(chunk, layout, fitted)
            yield chunk

    return each


def _after(step: Step, layout: Layout, fitted: Fitted | None) -> Layout:
    try:
        return step.transform.after(layout, fitted)
    except ShapeError as error:
        place = step.path if error.field is None else (*step.path, error.field)
        raise ConfigError([Problem(place, error.message, error.help)]) from None


def _usable(layout: Layout, plan: Pipeline) -> Layout:
    """Raises ConfigError when text is left at the end."""
    if layout.kind == "tokens":
        message = f"the texts of {plan.name!r} have different numbers of tokens, which a network can't take"
        help = "add pad behind tokenize: {type: pad, length: 64}"
        raise ConfigError([Problem(plan.path, message, help)])
    if layout.kind != "text":
        return layout
    name, values = (layout.columns or ("",))[0], layout.values[0]
    odd = next((value for value in values if not _is_number(value)), None)
    example = f", such as {odd!r}" if odd is not None else ""
    raise ConfigError(
        [
            Problem(
                plan.path,
                f"column {name!r} holds text{example}, which a network can't take",
                help="add one_hot or categories (tokenize and pad for sentences) to the input's transforms, or leave "
                "the column out",
            )
        ]
    )


def _check_alike(columns: Sequence[Column], path: Path) -> None:
    """Raises ConfigError unless the columns are all numbers or all text, one value a row."""
    text = [column.kind in ("text", "labels") for column in columns]
    for column, is_text in zip(columns, text, strict=True):
        if column.shape != ():
            message = f"column {column.name!r} holds arrays of shape {column.shape} and can't stand beside others"
        elif is_text and not all(text):
            odd = next((value for value in column.values if not _is_number(value)), None)
            example = f", such as {odd!r}," if odd is not None else ""
            message = f"column {column.name!r} holds text{example} while others here hold numbers"
        else:
            continue
        place = (*path, "columns", [other.name for other in columns].index(column.name))
        raise ConfigError([Problem(place, message, help="give it an input of its own, or leave it out")])


def _refuse_non_finite(chunk: Array, layout: Layout, plan: Pipeline) -> None:
    bad = ~np.isfinite(chunk)
    if not bad.any():
        return
    place = np.argwhere(bad)[0]
    name = layout.column_name(int(place[-1])) if layout.columns else plan.name
    what = "missing values" if np.isnan(chunk[tuple(place)]) else "infinite values"
    raise DataError(
        f"{name!r} has {what}, with which nothing can be computed",
        help="add {type: impute, strategy: median} (or mean, mode, constant, drop) to the transforms",
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
