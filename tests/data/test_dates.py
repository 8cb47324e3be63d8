"""Dates: read, continued, and as numbers of the calendar."""

from __future__ import annotations

import numpy as np
import pytest

from dlrun.data.dates import continue_dates, read_dates
from dlrun.data.layout import Layout
from dlrun.data.transforms import TRANSFORMS
from dlrun.errors import DataError, ShapeError


@pytest.mark.parametrize(
    ("dates", "following"),
    [
        (["2018-06-26 18:00:00", "2018-06-26 19:00:00"], ["2018-06-26 20:00:00", "2018-06-26 21:00:00"]),
        (["2024-02-27T23:30", "2024-02-28T23:30"], ["2024-02-29T23:30", "2024-03-01T23:30"]),
        (["2024-01-30", "2024-01-31"], ["2024-02-01", "2024-02-02"]),
        (["2023-11-01", "2023-12-01"], ["2024-01-01", "2024-02-01"]),
        (["2022-12-31", "2023-12-31"], ["2024-12-31", "2025-12-31"]),
        (["2024-01-01 00:00:00+01:00", "2024-01-01 01:00:00+01:00"], [
            "2024-01-01 02:00:00+01:00", "2024-01-01 03:00:00+01:00",
        ]),
        (["2024-01-01", "2024-01-02", "2024-01-05", "2024-01-06"], ["2024-01-07", "2024-01-08"]),
    ],
)  # fmt: skip
def test_dates_go_on_as_they_are_written(dates: list[str], following: list[str]) -> None:
    assert continue_dates(dates, 2) == following


def test_dates_in_another_format() -> None:
    assert continue_dates(["31.12.2023 22h", "31.12.2023 23h"], 1, "%d.%m.%Y %Hh") == ["01.01.2024 00h"]


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (["2024-01-01"], "one date alone"),
        (["2024-01-02", "2024-01-01"], "don't go on"),
        (["2024-01-01", "1/2/2024"], "'1/2/2024' is no date"),
    ],
)
def test_dates_that_do_not_go_on(dates: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        continue_dates(dates, 1)


def test_times_compare_whatever_their_form() -> None:
    times = read_dates(["2024-03-01", "2024-02-29 23:59:59", "2024-03-01T00:00:01"])
    assert np.argsort(times).tolist() == [1, 0, 2]


def calendar(dates: list[str], **fields) -> tuple[Layout, np.ndarray]:
    values = tuple(sorted(set(dates)))
    layout = Layout("text", (1,), "int32", ("date",), (values,))
    transform = TRANSFORMS["calendar"].model_validate({"type": "calendar", **fields})
    codes = np.array([[values.index(date)] for date in dates], np.int32)
    return transform.after(layout, None), transform.apply(codes, layout, {})


def test_scaled_parts() -> None:
    parts = ["minute", "hour", "weekday", "day", "month", "day_of_year"]
    layout, numbers = calendar(
        ["2024-12-31 23:59", "2023-01-01 00:00", "2024-02-29 12:30"], parts=parts, encoding="scaled"
    )
    assert layout.columns == tuple(f"date_{part}" for part in parts)
    assert layout.shape == (6,)
    expected = [
        [59 / 59, 23 / 23, 1 / 6, 30 / 30, 11 / 11, 365 / 365],  # a Tuesday
        [0, 0, 6 / 6, 0, 0, 0],  # a Sunday
        [30 / 59, 12 / 23, 3 / 6, 28 / 30, 1 / 11, 59 / 365],  # a Thursday
    ]
    np.testing.assert_allclose(numbers, np.array(expected) - 0.5, atol=1e-12)


def test_cyclic_parts_close_the_circle() -> None:
    layout, numbers = calendar([f"2024-01-01 {hour:02d}:00" for hour in range(24)], parts=["hour"])
    assert layout.columns == ("date_hour_sin", "date_hour_cos")
    np.testing.assert_allclose(np.square(numbers).sum(axis=1), 1.0)
    apart = np.linalg.norm(numbers - np.roll(numbers, 1, axis=0), axis=1)
    np.testing.assert_allclose(apart, apart[0])


def test_dates_before_1970_have_their_weekday() -> None:
    _, numbers = calendar(["1969-12-28", "1969-12-29"], parts=["weekday"], encoding="scaled")
    assert numbers[:, 0].tolist() == [0.5, -0.5], "a Sunday and a Monday"


def test_calendar_says_what_it_can_not_take() -> None:
    with pytest.raises(DataError, match=r"'date': '31\.12\.' is no date"):
        calendar(["31.12."])
    transform = TRANSFORMS["calendar"].model_validate({"type": "calendar"})
    with pytest.raises(DataError, match="'date' is missing in 1 rows"):
        transform.apply(np.array([[-1]], np.int32), Layout("text", (1,), "int32", ("date",), (("2024-01-01",),)), {})
    with pytest.raises(ShapeError, match="'x' holds numbers"):
        transform.after(Layout("numbers", (1,), "float64", ("x",)), None)
