"""Each transform against scikit-learn where that defines one, and against plain arithmetic elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dlrun.data.layout import Layout, real
from dlrun.data.transforms import TRANSFORMS
from dlrun.errors import DataError, ShapeError

Array = np.ndarray[Any, np.dtype[Any]]


def make(name: str, **fields: Any):
    return TRANSFORMS[name].model_validate({"type": name, **fields})


def numbers(width: int) -> Layout:
    return Layout("numbers", (width,), "float64", tuple("abcdefgh"[:width]))


def text(*values: tuple[str, ...]) -> Layout:
    return Layout("text", (len(values),), "int32", tuple("abcdefgh"[: len(values)]), values)


def image(*shape: int) -> Layout:
    return Layout("image", shape, "uint8", range=(0.0, 255.0))


def run(transform, rows: Array, layout: Layout, others: Array | None = None, parts: int = 3) -> tuple[Array, Layout]:
    """Fits on `rows` in several chunks; applies to `others` or the same rows; gives the real values."""
    fitted = transform.fit(lambda: iter(np.array_split(rows, parts)), layout)
    after = transform.after(layout, fitted)
    result = transform.apply(rows if others is None else others, layout, fitted)
    assert result.shape[1:] == after.shape
    assert str(result.dtype) == after.dtype
    return (real(result, after) if after.kind in ("image", "numbers") else result), after


@pytest.fixture
def table() -> Array:
    random = np.random.default_rng(3)
    rows = random.normal(size=(101, 3)) * [1.0, 1e-3, 1e6] + [0.0, 5.0, 1e9]
    rows[::7, 1] = np.nan
    return rows


def test_standardize_agrees_with_sklearn(table: Array) -> None:
    from sklearn.preprocessing import StandardScaler

    table[:, 0] = 0.1
    result, _ = run(make("standardize"), table, numbers(3))
    np.testing.assert_allclose(result, StandardScaler().fit_transform(table), rtol=1e-9, atol=1e-9)


def test_min_max_agrees_with_sklearn(table: Array) -> None:
    from sklearn.preprocessing import MinMaxScaler

    result, _ = run(make("min_max", minimum=-1, maximum=3), table, numbers(3), table[:5] * 1.5)
    np.testing.assert_allclose(result, MinMaxScaler((-1, 3)).fit(table).transform(table[:5] * 1.5), rtol=1e-9)


@pytest.mark.parametrize(("ours", "theirs"), [("mean", "mean"), ("median", "median"), ("mode", "most_frequent")])
def test_impute_agrees_with_sklearn(ours: str, theirs: str) -> None:
    from sklearn.impute import SimpleImputer

    random = np.random.default_rng(4)
    rows = random.integers(0, 6, (80, 3)).astype(float)
    rows[random.random(rows.shape) < 0.2] = np.nan
    result, _ = run(make("impute", strategy=ours), rows[:50], numbers(3), rows)
    np.testing.assert_allclose(result, SimpleImputer(strategy=theirs).fit(rows[:50]).transform(rows), rtol=1e-12)


def test_one_hot_agrees_with_sklearn() -> None:
    from sklearn.preprocessing import OneHotEncoder

    values = (("blue", "green", "red"), ("L", "M", "S", "XL"))
    random = np.random.default_rng(5)
    codes = np.stack([random.integers(0, 2, 40), random.integers(0, 4, 40)], axis=1).astype(np.int32)
    others = np.array([[2, 0], [1, 3]], np.int32)
    named = lambda rows: np.array([[values[0][a], values[1][b]] for a, b in rows])  # noqa: E731
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(named(codes))
    result, after = run(make("one_hot"), codes, text(*values), others)
    np.testing.assert_array_equal(result, encoder.transform(named(others)))
    assert after.columns == ("a=blue", "a=green", "b=L", "b=M", "b=S", "b=XL")
    assert result[0].tolist() == [0, 0, 1, 0, 0, 0]  # "red" is unseen: zeros only


def test_categories_agree_with_sklearn() -> None:
    from sklearn.preprocessing import OrdinalEncoder

    rows = np.random.default_rng(6).choice([3.0, 10.0, 20.0], (30, 2))
    result, after = run(make("categories"), rows, numbers(2))
    np.testing.assert_array_equal(result, OrdinalEncoder().fit_transform(rows))
    assert after.values[0] == ("3", "10", "20")  # by size, not by the alphabet


def test_categories_of_one_column_are_one_index_a_row() -> None:
    result, after = run(
        make("categories", unseen="extra"),
        np.array([[0], [1]], np.int32),
        text(("a", "b", "c")),
        np.array([[1], [2]], np.int32),
    )
    assert after.shape == ()
    assert result.tolist() == [1, 2]
    assert after.values == (("a", "b", "<unseen>"),)


@pytest.mark.parametrize("transform", [make("one_hot", unseen="error"), make("categories")])
def test_unseen_category_is_an_error(transform) -> None:
    with pytest.raises(DataError, match="'a' holds 'c', which no training row does"):
        run(transform, np.array([[0], [1]], np.int32), text(("a", "b", "c")), np.array([[2]], np.int32))


@pytest.mark.parametrize("transform", [make("one_hot"), make("categories")])
def test_missing_category_is_an_error(transform) -> None:
    with pytest.raises(DataError, match="'a' has missing values"):
        run(transform, np.array([[0], [-1]], np.int32), text(("a", "b")))


def test_impute_text() -> None:
    layout = text(("x", "y", "z"))
    rows = np.array([[1], [1], [0], [0], [2], [-1]], np.int32)
    result, after = run(make("impute", strategy="mode"), rows, layout)
    assert after.values[0][result[-1, 0]] == "x"  # the smaller of two equally frequent ones
    result, after = run(make("impute", strategy="constant", value="none"), rows, layout)
    assert after.values[0][result[-1, 0]] == "none"


def test_impute_refuses_a_column_without_values() -> None:
    with pytest.raises(DataError, match="column 'b' has no value in any training row"):
        run(make("impute"), np.array([[1.0, np.nan], [2.0, np.nan]]), numbers(2))


@pytest.mark.parametrize("name", ["rescale", "standardize", "min_max"])
@pytest.mark.parametrize("shape", [(4, 5, 1), (4, 5, 3)])
def test_affine_transforms_leave_bytes_in_place(name: str, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(7).integers(0, 200, (30, *shape), np.uint8)
    transform, layout = make(name), image(*shape)
    fitted = transform.fit(lambda: iter([pixels[:11], pixels[11:]]), layout)
    assert transform.apply(pixels, layout, fitted) is pixels
    values = real(pixels, transform.after(layout, fitted))
    flat = pixels.astype(np.float64)
    mean, deviation = flat.mean((0, 1, 2)), flat.std((0, 1, 2))
    low, high = flat.min((0, 1, 2)), flat.max((0, 1, 2))
    expected = {
        "rescale": flat / 255.0,
        "standardize": (flat - mean) / deviation,
        "min_max": (flat - low) / (high - low),
    }
    np.testing.assert_allclose(values, expected[name], rtol=1e-10, atol=1e-12)


def test_affine_transforms_compose_on_bytes() -> None:
    pixels = np.random.default_rng(8).integers(0, 256, (20, 4, 4, 3), np.uint8)
    first, layout = make("rescale", minimum=-1.0), image(4, 4, 3)
    middle = first.after(layout, {})
    result, _ = run(make("standardize"), pixels, middle)
    flat = pixels.astype(np.float64)
    np.testing.assert_allclose(result, (flat - flat.mean((0, 1, 2))) / flat.std((0, 1, 2)), rtol=1e-9, atol=1e-9)


def test_rescale_needs_a_range() -> None:
    with pytest.raises(ShapeError, match="doesn't know the range"):
        make("rescale").after(numbers(2), {})
    result, _ = run(make("rescale", source_range=(10, 20), maximum=2), np.array([[10.0], [15.0]]), numbers(1))
    assert result.tolist() == [[0.0], [1.0]]


def test_log1p_and_clip() -> None:
    rows = np.array([[-5.0, 0.5], [np.nan, 9.0]])
    clipped, _ = run(make("clip", minimum=0, maximum=3), rows, numbers(2))
    np.testing.assert_array_equal(clipped, [[0.0, 0.5], [np.nan, 3.0]])
    logged, _ = run(make("log1p"), np.abs(rows), numbers(2))
    np.testing.assert_array_equal(logged, np.log1p(np.abs(rows)))
    with pytest.raises(DataError, match="log1p needs values above -1, but 'a' holds -5"):
        run(make("log1p"), rows, numbers(2))


def test_noise_is_normal_and_that_of_the_row() -> None:
    rows = np.random.default_rng(9).uniform(size=(200, 785))
    transform, layout = make("add_noise", stddev=0.4), numbers(785)
    noise = transform.apply(rows, layout, {}) - rows
    assert abs(noise.mean()) < 0.005
    assert abs(noise.std() - 0.4) < 0.005
    assert np.mean(np.abs(noise) > 0.8) == pytest.approx(0.0455, abs=0.003)  # two deviations of a normal distribution
    assert np.abs(np.corrcoef(noise)[np.triu_indices(200, 1)]).max() < 0.2
    np.testing.assert_array_equal(transform.apply(rows[::-1], layout, {})[::-1] - rows, noise)
    twice = transform.apply(rows[[3, 3]], layout, {})
    np.testing.assert_array_equal(twice[0], twice[1])
    other = make("add_noise", stddev=0.4, seed=1).apply(rows, layout, {}) - rows
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.02


def test_noise_on_bytes_and_missing_values() -> None:
    pixels = np.random.default_rng(10).integers(0, 256, (6, 4, 4, 1), np.uint8)
    clean = make("rescale").after(image(4, 4, 1), {})
    noisy, after = run(make("add_noise", stddev=0.1), pixels, clean)
    assert after.kind == "image"
    assert 0.05 < (noisy - pixels / 255.0).std() < 0.15
    gaps, _ = run(make("add_noise", stddev=0.1), np.array([[np.nan, 1.0]]), numbers(2))
    assert np.isnan(gaps[0, 0])
    assert gaps[0, 1] != 1
    with pytest.raises(ShapeError, match="add_noise takes numbers"):
        make("add_noise", stddev=0.1).after(text(("a", "b")), None)


@pytest.mark.parametrize("fields", [{}, {"minimum": 2, "maximum": 1}])
def test_clip_needs_limits(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        make("clip", **fields)


def test_reshape() -> None:
    rows = np.arange(24.0).reshape(2, 12)
    result, after = run(make("reshape", shape=[2, 3, -1]), rows, numbers(12))
    assert after.kind == "image"
    np.testing.assert_array_equal(result, rows.reshape(2, 2, 3, 2))
    with pytest.raises(ShapeError, match="can't reshape") as caught:
        make("reshape", shape=[5, -1]).after(numbers(12), {})
    assert caught.value.field == "shape"


def test_reshape_applies_a_per_channel_scale_before_channels_move() -> None:
    pixels = np.random.default_rng(9).integers(0, 256, (5, 2, 2, 3), np.uint8)
    layout = make("standardize").after(image(2, 2, 3), {"mean": np.array([1.0, 2.0, 3.0]), "deviation": np.ones(3)})
    result, after = run(make("reshape", shape=[12]), pixels, layout)
    assert after.dtype == "float64"
    np.testing.assert_allclose(result, (pixels - np.array([1.0, 2.0, 3.0])).reshape(5, 12))


def test_to_grey_agrees_with_pillow() -> None:
    from PIL import Image

    pixels = np.random.default_rng(10).integers(0, 256, (3, 6, 7, 3), np.uint8)
    result, after = run(make("to_grey"), pixels, image(6, 7, 3))
    assert after.shape == (6, 7, 1)
    for row in range(3):
        np.testing.assert_array_equal(result[row, ..., 0], np.asarray(Image.fromarray(pixels[row]).convert("L")))
    with pytest.raises(ShapeError, match="takes images"):
        make("to_grey").after(numbers(3), {})


@pytest.mark.parametrize("channels", [1, 3])
def test_resize_agrees_with_pillow(channels: int) -> None:
    from PIL import Image

    pixels = np.random.default_rng(11).integers(0, 256, (2, 9, 8, channels), np.uint8)
    result, _ = run(make("resize", height=5, width=6, method="bicubic"), pixels, image(9, 8, channels))
    picture = Image.fromarray(pixels[1] if channels == 3 else pixels[1, ..., 0])
    expected = np.asarray(picture.resize((6, 5), Image.Resampling.BICUBIC)).reshape(5, 6, channels)
    np.testing.assert_array_equal(result[1], expected)


@pytest.mark.parametrize("name", ["standardize", "min_max", "log1p", "rescale"])
def test_numbers_only(name: str) -> None:
    with pytest.raises(ShapeError, match="takes numbers, but 'a' holds text"):
        make(name).after(text(("x",)), {})


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 9), st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_standardize_does_not_depend_on_chunks(rows: int, parts: int, mean: float, deviation: float) -> None:
    values = np.random.default_rng(rows).normal(mean, deviation, (rows, 2))
    whole = make("standardize").fit(lambda: iter([values]), numbers(2))
    parted = make("standardize").fit(lambda: iter(np.array_split(values, parts)), numbers(2))
    np.testing.assert_allclose(parted["mean"], whole["mean"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(parted["deviation"], whole["deviation"], rtol=1e-6)
