"""calendar: what clock and calendar say of a date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from dlrun.data.dataset import Array
from dlrun.data.dates import read_dates
from dlrun.data.layout import Layout
from dlrun.data.transforms.base import Fitted, Transform
from dlrun.errors import DataError, ShapeError

Part = Literal["minute", "hour", "weekday", "day", "month", "day_of_year"]
PARTS: Mapping[Part, tuple[int, Callable[[Array], Array]]] = {
    "minute": (60, lambda time: _since(time, "h", "m")),
    "hour": (24, lambda time: _since(time, "D", "h")),
    "weekday": (7, lambda time: (time.astype("datetime64[D]").astype(np.int64) + 3) % 7),  # 1970-01-01: a Thursday
    "day": (31, lambda time: _since(time, "M", "D")),
    "month": (12, lambda time: _since(time, "Y", "M")),
    "day_of_year": (366, lambda time: _since(time, "Y", "D")),
}
"""(how many there are, each date's from 0 on), by name."""


class Calendar(Transform):
    """Turns dates written as text into numbers: the hour, the day of the week, the day, the month, ...

    "cyclic" gives the sine and cosine of each, so that 23 o'clock lies beside 0; "scaled" one number from -0.5 to 0.5,
    as H. Zhou et al., "Informer" (AAAI 2021), have it.
    """

    type: Literal["calendar"] = "calendar"
    parts: tuple[Part, ...] = Field(default=("hour", "weekday", "day", "month"), min_length=1)
    """What is taken of a date: minute, hour, weekday (from Monday), day (of the month), month, day_of_year."""
    encoding: Literal["cyclic", "scaled"] = "cyclic"
    """"cyclic": sine and cosine; "scaled": one number from -0.5 to 0.5."""
    format: str | None = None
    """How dates are written, in strptime's codes, such as "%d.%m.%Y %H:%M"; ISO 8601 (2024-12-31 18:00) when left
    out."""

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """(columns,) of text → (columns x parts,) numbers, twice as many where they are cyclic."""
        if layout.kind != "text":
            raise ShapeError(
                f"calendar takes dates written as text, but {layout.column_name(0)!r} holds {layout.kind}",
                help="give dates an input of their own: {columns: [date], transforms: [calendar]}",
            )
        ends = ("_sin", "_cos") if self.encoding == "cyclic" else ("",)
        names = layout.columns or ("date",)
        columns = tuple(f"{name}_{part}{end}" for name in names for part in self.parts for end in ends)
        return Layout("numbers", (len(columns),), "float64", columns)

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """(rows, columns) codes → (rows, numbers) float64; raises DataError where a date is missing or none."""
        found: list[Array] = []
        for column in range(layout.channels):
            codes = array[:, column]
            if len(codes) and codes.min() < 0:
                raise DataError(f"the date {layout.column_name(column)!r} is missing in {np.sum(codes < 0)} rows")
            used, where = np.unique(codes, return_inverse=True)
            try:
                times = read_dates([layout.values[column][code] for code in used], self.format)
            except DataError as error:
                raise DataError(f"{layout.column_name(column)!r}: {error.message}", help=error.help) from None
            found += [numbers[where] for numbers in self._numbers(times)]
        return np.stack(found, axis=1)

    def _numbers(self, times: Array) -> list[Array]:
        """Each number of these times, (times,) float64."""
        result: list[Array] = []
        for part in self.parts:
            size, count = PARTS[part]
            if self.encoding == "scaled":
                result.append(count(times) / (size - 1.0) - 0.5)
            else:
                angle = count(times) * (2.0 * np.pi / size)
                result += [np.sin(angle), np.cos(angle)]
        return result


def _since(time: Array, whole: str, unit: str) -> Array:
    """How many units lie between the beginning of the whole (its day, its year) and the time."""
    begin: Any = time.astype(f"datetime64[{whole}]")
    difference: Array = time.astype(f"datetime64[{unit}]") - begin.astype(f"datetime64[{unit}]")
    return difference.astype(np.int64)
