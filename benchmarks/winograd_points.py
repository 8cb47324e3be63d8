"""`python -m benchmarks.winograd_points`: rounding errors of Winograd's F(4x4, 3x3) by the points it is taken at.

Computes tiles in float32, each multiply-add rounded, and prints their errors against float64 as multiples of those of a
plain sum: of outputs, and of the gradient of the weights (docs/design/winograd.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

SIDE, TAPS, PATCH = 4, 3, 6
ROOT = math.sqrt(2)
POINTS = {
    "1, -1, 2, -2": (1, -1, 2, -2),
    "1, -1, 1/2, -1/2": (1, -1, 0.5, -0.5),
    "1, -1, 1/2, -2": (1, -1, 0.5, -2),
    "1/√2, -1/√2, √2, -√2": (1 / ROOT, -1 / ROOT, ROOT, -ROOT),
    "3/4, -3/4, 3/2, -3/2": (0.75, -0.75, 1.5, -1.5),
    "5/8, -5/8, 3/2, -3/2": (0.625, -0.625, 1.5, -1.5),
}
"""Beside 0 and infinity."""
SIZES = ((16, 60), (32, 60), (64, 60))
"""Channels and tiles."""
Array = np.ndarray[Any, np.dtype[Any]]


def matrices(points: Sequence[float]) -> tuple[Array, Array, Array]:
    """Return Aᵀ (4, 6), G (6, 3) and Bᵀ (6, 6) for five points and infinity."""
    a, g, b = np.zeros((SIDE, PATCH)), np.zeros((PATCH, TAPS)), np.zeros((PATCH, PATCH))
    for j, point in enumerate(points):
        others = [other for other in points if other != point]
        a[:, j] = point ** np.arange(SIDE)
        g[j] = point ** np.arange(TAPS) / math.prod(point - other for other in others)
        b[j, :-1] = np.polynomial.polynomial.polyfromroots(others)
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.polynomial.polynomial.polyfromroots(points)
    return a, g, b


def fma(x: Array, y: Array, z: Array) -> Array:
    """Return x y + z in float32, rounded once."""
    return (x.astype(np.float64) * y.astype(np.float64) + z.astype(np.float64)).astype(np.float32)


def sandwich(matrix: Array, patch: Array) -> Array:
    """Return M P Mᵀ of a patch (size, size, ..) in float32, each multiply-add rounded."""
    for _ in range(2):
        rows = np.zeros((len(matrix), *patch.shape[1:]), np.float32)
        for i, factors in enumerate(matrix.astype(np.float32)):
            for factor, values in zip(factors, patch, strict=True):
                rows[i] = fma(factor, values, rows[i]) if factor else rows[i]
        patch = np.swapaxes(rows, 0, 1)
    return patch


def summed(pairs: Sequence[tuple[Array, Array]]) -> Array:
    """Return sum_k a_k b_k in float32, as one chain of multiply-adds."""
    total = np.zeros(np.broadcast_shapes(*(x.shape for x in pairs[0])), np.float32)
    for a, b in pairs:
        total = fma(a, b, total)
    return total


def error(found: Array, exact: Array) -> float:
    """Return the root mean square of the errors."""
    return float(np.sqrt(np.mean((found - exact) ** 2)))


def errors(points: Sequence[float], channels: int, tiles: int) -> tuple[float, float]:
    """Return the errors of outputs and of the weights' gradient, as multiples of those of plain sums."""
    generator = np.random.default_rng(0)
    a, g, b = matrices((0.0, *points))
    d = np.maximum(generator.standard_normal((PATCH, PATCH, channels, tiles)), 0).astype(np.float32)
    w = (generator.standard_normal((TAPS, TAPS, channels, 1)) / (3 * math.sqrt(channels))).astype(np.float32)
    dy = generator.standard_normal((SIDE, SIDE, 1, tiles)).astype(np.float32)
    v, taps, places = sandwich(b, d), list(np.ndindex(TAPS, TAPS)), list(np.ndindex(SIDE, SIDE))
    u, gradient = sandwich(g, w), sandwich(a.T, dy)

    here = {p: d[p] for p in np.ndindex(PATCH, PATCH)}
    m = summed([(u[:, :, c], v[:, :, c]) for c in range(channels)])
    outputs, exact = sandwich(a, m), np.zeros((SIDE, SIDE, tiles))
    plain, weights, exact_weights = exact.astype(np.float32), np.zeros((3, 3, channels)), np.zeros((3, 3, channels))
    for i, j in places:
        parts = [(w[y, x], here[i + y, j + x]) for y, x in taps]
        exact[i, j] = sum((p.astype(np.float64) * q).sum(0) for p, q in parts)
        plain[i, j] = summed([(p[c], q[c]) for p, q in parts for c in range(channels)])
    for y, x in taps:
        parts = [(here[i + y, j + x], dy[i, j]) for i, j in places]
        exact_weights[y, x] = sum((p.astype(np.float64) * q).sum(1) for p, q in parts)
        weights[y, x] = summed([(p[:, t], q[:, t]) for t in range(tiles) for p, q in parts])
    sums = summed([(v[..., t], gradient[..., t]) for t in range(tiles)])
    return (
        error(outputs, exact) / error(plain, exact),
        error(sandwich(g.T, sums), exact_weights) / error(weights, exact_weights),
    )


def main() -> None:
    """Print the table."""
    print("| points beside 0 and infinity | outputs | the weights' gradient |\n|---|---|---|")
    for name, points in POINTS.items():
        found = [errors(points, *size) for size in SIZES]
        outputs, weights = ([f"{value:.1f}" for value in values] for values in zip(*found, strict=True))
        print(f"| {name} | {', '.join(outputs)} | {', '.join(weights)} |")


if __name__ == "__main__":
    main()
