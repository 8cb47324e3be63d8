"""The table of Winograd's points: its matrices compute convolutions, and the kernels' points are the better ones."""

import numpy as np
import pytest

from benchmarks.winograd_points import POINTS, SIZES, errors, matrices


@pytest.mark.parametrize("points", POINTS.values(), ids=POINTS.keys())
def test_any_points_give_the_convolution_and_its_gradient(points):
    a, g, b = matrices((0.0, *points))
    d, w = np.random.default_rng(0).standard_normal((6, 6)), np.random.default_rng(1).standard_normal((3, 3))
    expected = np.array([[(d[i : i + 3, j : j + 3] * w).sum() for j in range(4)] for i in range(4)])
    np.testing.assert_allclose(a @ ((g @ w @ g.T) * (b @ d @ b.T)) @ a.T, expected, atol=1e-12)
    gradient = np.array([[(d[i : i + 4, j : j + 4] * expected).sum() for j in range(3)] for i in range(3)])
    np.testing.assert_allclose(g.T @ ((b @ d @ b.T) * (a.T @ expected @ a)) @ g, gradient, atol=1e-11)


def test_the_kernels_points_have_half_of_the_usual_ones_errors():
    usual, ours = (errors(POINTS[name], *SIZES[0]) for name in ("1, -1, 2, -2", "5/8, -5/8, 3/2, -3/2"))
    assert all(2 * our <= other for our, other in zip(ours, usual, strict=True))
