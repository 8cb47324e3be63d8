"""How rows that don't look like the others are found: a score for each, a threshold, and labels to measure it by."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dlrun.registry import Spec

DEFAULTS = {"quantile": 0.999, "deviation": 3.0}
"""What `value` is when it is left out."""
Moment = str | int | float
"""A date, or a number of the column of time; a row's number where no column says when a row was."""


class AnomalyThreshold(Spec):
    """The score above which a row is flagged: chosen on the validation rows alone, or given."""

    bare_field: ClassVar[str | None] = "type"

    type: Literal["quantile", "deviation", "best_f1", "fixed"] = "quantile"
    """"quantile": the score that the part `value` of the validation rows stays below. "deviation": their mean and
    `value` standard deviations. "best_f1": what gives the labelled validation rows the best F1. "fixed": `value`."""
    value: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The quantile, 0.999 when left out; the number of standard deviations, 3 when left out; the score itself."""
    factor: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """What the threshold is multiplied by: with `{type: quantile, value: 1, factor: 1.5}` a row is flagged that scores
    half as much again as the worst validation row."""

    @property
    def chosen_value(self) -> float:
        """`value`, or its default."""
        return DEFAULTS[self.type] if self.value is None else self.value

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if self.type == "quantile" and self.chosen_value > 1:
            raise ValueError(f"a quantile is a part of the rows, from 0 to 1, got {self.value:g}")
        if self.type == "best_f1" and self.value is not None:
            raise ValueError("best_f1 finds the threshold by itself and takes no value")
        if self.type == "fixed" and self.value is None:
            raise ValueError("a fixed threshold needs its value")
        return self


class AnomalyLabels(Spec):
    """Which rows are known to be anomalies: they measure the detection, and nothing is trained on them."""

    bare_field: ClassVar[str | None] = "path"

    path: str | None = None
    """A .json file with a list of [start, end], or lists by `key`; or a .csv file with columns "start" and "end"."""
    key: str | None = None
    """Which of the file's lists it is."""
    column: str | None = None
    """A column of the source with 1 for an anomaly, 0 for any other row."""
    windows: Annotated[tuple[tuple[Moment, Moment], ...], Field(min_length=1)] | None = None
    """The windows themselves, [start, end] each, both included: dates, or numbers of the column of time or of rows."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("path", "column", "windows") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"labels are either a path, a column or windows, got {' and '.join(given) or 'none'}")
        if self.key is not None and self.path is None:
            raise ValueError("key goes with a path")
        return self


class AnomalyConfig(Spec):
    """How `dlrun detect` scores and flags rows."""

    score: Literal["mse", "mae", "max"] = "mse"
    """How far the network is off: the mean of the squared or absolute differences over the columns of a row, or the
    largest. Columns count as the transforms leave them, so that standardised ones count alike."""
    overlap: Literal["mean", "min", "max"] = "mean"
    """For a series: what becomes of the scores that a row has from several windows."""
    smooth: int = Field(default=1, gt=0)
    """For a series: the rows, up to the row itself, over whose scores the mean is taken."""
    gap: int = Field(default=0, ge=0)
    """For a series: flagged rows with so many unflagged ones between them are one alarm."""
    threshold: AnomalyThreshold = AnomalyThreshold()
    """The score above which a row is flagged."""
    labels: AnomalyLabels | None = None
    """What is known to be an anomaly; the source's own labels when left out, where it has any."""
