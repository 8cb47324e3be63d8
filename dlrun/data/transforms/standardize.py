"""standardize: mean 0 and standard deviation 1."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.transforms.base import Affine, Chunks, Fitted, real_chunks


class Standardize(Affine):
    """Subtracts the training rows' mean and divides by their standard deviation, per column or image channel.

    Both are taken over the rows without missing values, in float64; the deviation divides by the number of rows, as
    in scikit-learn's StandardScaler. A column that never varies is only centred.
    """

    type: Literal["standardize"] = "standardize"

    def fit(self, chunks: Chunks, layout: Layout) -> dict[str, Any]:
        """{mean, deviation}, each (channels,)."""
        count, mean, squares = _byte_moments(chunks, layout) if layout.stored else _moments(chunks, layout)
        variance = squares / np.maximum(count, 1)
        # A constant column's variance is rounding noise, not zero: scikit-learn draws the line at the same place.
        rounding = np.finfo(np.float64).eps * count
        constant = variance <= rounding * variance + (rounding * mean) ** 2
        return {"mean": mean, "deviation": np.where(constant, 1.0, np.sqrt(variance))}

    def affine(self, layout: Layout, fitted: Fitted) -> tuple[Array, Array]:
        """(1/deviation, -mean/deviation)."""
        deviation = np.asarray(fitted["deviation"])
        return 1.0 / deviation, -np.asarray(fitted["mean"]) / deviation


def _byte_moments(chunks: Chunks, layout: Layout) -> tuple[Array, Array, Array]:
    """(count, mean, sum of squared deviations) per channel of bytes, exact: from how often each byte occurs."""
    counts = np.zeros((layout.channels, 256))
    for chunk in chunks():
        for channel in range(layout.channels):
            values = chunk if layout.shape == () else chunk[..., channel]
            counts[channel] += np.bincount(values.reshape(-1), minlength=256)
    scale, offset = np.asarray(layout.scale).reshape(-1, 1), np.asarray(layout.offset).reshape(-1, 1)
    values = np.arange(256.0) * scale + offset
    total = counts.sum(axis=1)
    mean = (counts * values).sum(axis=1) / np.maximum(total, 1)
    return total, mean, (counts * (values - mean[:, np.newaxis]) ** 2).sum(axis=1)


def _moments(chunks: Chunks, layout: Layout) -> tuple[Array, Array, Array]:
    """(count, mean, sum of squared deviations) per column over the values that are there.

    Merges the chunks' moments by Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
    sample variances" (1979), equation 2.1; the naive sum of squares would lose a large mean's digits.
    """
    count = np.zeros(layout.channels)
    mean = np.zeros(layout.channels)
    squares = np.zeros(layout.channels)
    for chunk in real_chunks(chunks, layout):
        known = np.count_nonzero(~np.isnan(chunk), axis=0)
        divisor = np.maximum(known, 1)
        chunk_mean = np.nansum(chunk, axis=0) / divisor
        chunk_squares = np.nansum((chunk - chunk_mean) ** 2, axis=0)
        total = np.maximum(count + known, 1)
        step = chunk_mean - mean
        mean = mean + step * known / total
        squares = squares + chunk_squares + step**2 * count * known / total
        count = count + known
    return count, mean, squares
