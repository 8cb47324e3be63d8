"""Scalars of YAML 1.2's core schema."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlrun.config.document import parse_text
from dlrun.config.scalars import read_scalar, write_scalar
from dlrun.config.source import Source


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3), ("1E5", 1e5), (".5", 0.5), ("5.", 5.0), ("-0.25", -0.25), ("+1.5e+2", 150.0), ("1.0", 1.0),
        ("0", 0), ("-5", -5), ("+7", 7), ("017", 17), ("0o17", 15), ("0x1F", 31),
        (".inf", math.inf), ("-.INF", -math.inf), ("+.Inf", math.inf),
        ("null", None), ("~", None), ("Null", None), ("NULL", None), ("", None),
        ("true", True), ("True", True), ("FALSE", False),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("tRue", "tRue"),
        ("12:30:45", "12:30:45"), ("190:20", "190:20"), ("2024-01-01", "2024-01-01"), ("1_000", "1_000"),
        ("0b11", "0b11"), ("1e", "1e"), (".", "."), ("-", "-"), ("inf", "inf"), ("nan", "nan"), ("0o8", "0o8"),
        ("1.2.3", "1.2.3"), ("=", "="), ("١", "١"),
    ],
)  # fmt: skip
def test_core_schema(text: str, value: object) -> None:
    found = read_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_nan() -> None:
    assert math.isnan(read_scalar(".nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["1e999", "-1e999", "9" * 5000])
def test_numbers_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match="too"):
        read_scalar(text)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(), st.text(st.characters(codec="utf-8")),
    st.sampled_from(["no", "1e3", "0x", "~", "- a", "a: b", "a #b", "<<", "...", "\u2028", "🙂\x07", "2024-1-1"]),
)  # fmt: skip


@given(SCALARS)
def test_written_scalars_read_back(value: object) -> None:
    for text in (write_scalar(value), f"[{write_scalar(value)}]", f"{{{write_scalar('k')}: {write_scalar(value)}}}"):  # type: ignore[arg-type]
        parsed = parse_text(Source("test", text))
        assert parsed is not None
        found = parsed.root
        while found.items or found.entries:
            found = found.items[0] if found.items else found.entries["k"].node
        assert found.value == value or (value != value and found.value != found.value)
        assert type(found.value) is type(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-3, "0.001"),
        (1e-7, "1.0e-07"),
        (1e22, "1.0e+22"),
        (3.0, "3.0"),
        ("no", '"no"'),
        ("validation/loss", "validation/loss"),
        ("1", '"1"'),
    ],
)
def test_written_scalars(value: float | str, text: str) -> None:
    assert write_scalar(value) == text
