"""Dates written as text: read, put in order, and continued."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from dlrun.data.dataset import Array
from dlrun.errors import DataError


def read_date(text: str, format: str | None = None) -> datetime:
    """A date and time, without its zone; ISO 8601 unless `format` says otherwise (as strptime). Raises DataError."""
    try:
        date = datetime.fromisoformat(text.strip()) if format is None else datetime.strptime(text.strip(), format)
    except ValueError:
        way = "write dates as 2024-12-31 or 2024-12-31 18:00:00" if format is None else "see strptime's codes"
        raise DataError(f"{text!r} is no date" + (f" like {format!r}" if format else ""), help=way) from None
    return date.replace(tzinfo=None)


def read_dates(texts: Sequence[str], format: str | None = None) -> Array:
    """(texts,) datetime64[us]; raises DataError for a text that is no date."""
    return np.array([read_date(text, format) for text in texts], "datetime64[us]")


def continue_dates(texts: Sequence[str], count: int, format: str | None = None) -> list[str]:
    """The dates that follow these, as far apart as these are most often, written as the last of them is.

    Dates of the same day in different months go on month by month. Raises DataError for fewer than two dates, or for
    such as don't go on.
    """
    dates = [read_date(text, format) for text in texts]
    if len(dates) < 2:
        raise DataError("one date alone doesn't say how far apart the next ones are")
    pairs = list(pairwise(dates))
    apart = [after - before for before, after in pairs]
    step = max(sorted(set(apart)), key=apart.count)
    if step <= timedelta(0):
        raise DataError(f"the dates don't go on: {texts[-1]!r} stands behind {texts[-2]!r}")
    months = [(after.year - before.year) * 12 + after.month - before.month for before, after in pairs]
    same_day = len({(date.day, date.time()) for date in dates}) == 1
    if same_day and len(set(months)) == 1 and months[0] > 0:
        return [_written(_months_later(dates[-1], months[0] * (i + 1)), texts[-1], format) for i in range(count)]
    return [_written(dates[-1] + step * (i + 1), texts[-1], format) for i in range(count)]


def _months_later(date: datetime, months: int) -> datetime:
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    return date.replace(year=year, month=month + 1)


def _written(date: datetime, like: str, format: str | None) -> str:
    """The date as another is written: with as much of the time, and the same sign between both."""
    if format is not None:
        return date.strftime(format)
    text = like.strip()
    if len(text) <= len("2024-12-31") and ":" not in text:
        return date.strftime("%Y-%m-%d" if "-" in text or len(text) < len("20241231") else "%Y%m%d")
    spec = "minutes" if text.count(":") == 1 else "seconds"
    zone = "" if datetime.fromisoformat(text).tzinfo is None else _zone(text)
    if zone and spec == "minutes" and text[: -len(zone)].count(":") == 0:
        spec = "hours"
    return date.isoformat(text[10], spec) + zone


def _zone(text: str) -> str:
    """What stands behind the time: Z, +00:00."""
    return next(text[place:] for place in range(len(text) - 1, 9, -1) if text[place] in "Z+-")
