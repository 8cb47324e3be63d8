"""Scalar products of two inputs against NumPy, PyTorch, central differences, and themselves on other threads."""

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import Dense, Dot, Flatten
from tests.support.network import Network, check_gradients, same_bits_on_threads

SHAPES = [
    (-1, (1,), (1,)),
    (1, (33,), (33,)),
    (-1, (3, 5), (5,)),
    ((1, 1), (5,), (5, 4)),
    (-1, (3, 5), (4, 5)),
    ((2, 1), (3, 5), (5, 4)),
    ((1, 2), (5, 3), (4, 5)),
    (1, (5, 3), (5, 40)),
    (1, (3, 1), (3, 1)),
    (2, (1, 7), (1, 7)),
]
"""Axes, and the shapes of the two samples."""


def pair(*shapes, rows=4, seed=1):
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal((rows, *shape)) for name, shape in zip("ab", shapes, strict=True)}


def dot(axes=-1, **fields):
    return Dot(axes=axes, inputs=("a", "b"), **fields)


def expected(inputs, axes, normalize=False):
    """Return the products in plain loops over samples; numbers where nothing else is left become (1,)."""
    first, second = (axes, axes) if isinstance(axes, int) else axes
    rows = []
    for x, y in zip(inputs["a"], inputs["b"], strict=True):
        x = np.moveaxis(x, first - 1 if first > 0 else first, -1)
        y = np.moveaxis(y, second - 1 if second > 0 else second, -1)
        if normalize:
            x, y = (v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-7) for v in (x, y))
        rows.append(np.atleast_1d(np.tensordot(x, y, (-1, -1))))
    return np.array(rows)


@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "normalized"])
@pytest.mark.parametrize(("axes", "first", "second"), SHAPES, ids=str)
def test_the_output_is_numpys(axes, first, second, normalize):
    inputs = pair(first, second)
    result = Network([dot(axes, normalize=normalize)], inputs, training=False, gradients=False).run()
    wanted = expected(inputs, axes, normalize)
    assert result.outputs.shape == wanted.shape
    np.testing.assert_allclose(result.outputs, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "normalized"])
@pytest.mark.parametrize(("axes", "first", "second"), SHAPES, ids=str)
def test_gradients_are_central_differences(axes, first, second, normalize):
    layers = [dot(axes, normalize=normalize), Flatten(), Dense(units=2, activation="tanh")]
    check_gradients(Network(layers, pair(first, second)))


def test_an_input_may_be_taken_twice():
    check_gradients(Network([Dense(units=4, name="h"), Dot(inputs=("h", "h")), Dense(units=2)], pair((5,), (5,))))


@pytest.mark.parametrize(("first", "second"), [((50,), (50,)), ((9, 21), (30, 21))], ids=str)
def test_bits_do_not_depend_on_threads_or_company(first, second):
    inputs = pair(first, second, rows=7)
    same_bits_on_threads([dot(normalize=True)], inputs)
    together = Network([dot()], inputs, "float32", training=False, gradients=False).run().outputs
    for n in range(7):
        one = {name: x[n : n + 1] for name, x in inputs.items()}
        assert np.array_equal(
            Network([dot()], one, "float32", 1, training=False, gradients=False).run().outputs[0], together[n]
        )


def test_cosines_and_their_gradients_are_pytorchs():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    inputs = pair((9,), (9,))
    network = Network([dot(normalize=True)], inputs)
    result = network.run()
    a, b = (torch.tensor(x, requires_grad=True) for x in inputs.values())
    cosines = torch.nn.functional.cosine_similarity(a, b, eps=1e-7)
    (cosines * torch.tensor(network.coefficients[:, 0])).sum().div(4).backward()
    np.testing.assert_allclose(result.outputs[:, 0], cosines.detach(), rtol=1e-12)
    np.testing.assert_allclose(result.input_gradients["a"], a.grad, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(result.input_gradients["b"], b.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("axes", "shapes", "message"), [
    (-1, [(3,), (4,)], r"dot sums along axes of one length, got 3 of \(3,\) and 4 of \(4,\)"),
    ((1, 2), [(3, 4), (5, 4)], r"got 3 of \(3, 4\) and 4 of \(5, 4\)"),
    (2, [(3, 4), (4,)], "axes must be 1 or -1, got 2"),
    (0, [(3,), (3,)], "axes must be 1 or -1, got 0"),
    (-1, [(2, 3, 4), (4,)], r"dot takes vectors \(n,\) and matrices such as sequences \(time, n\), got \(2, 3, 4\)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(axes, shapes, message):
    for normalize in (False, True):
        with pytest.raises(ConfigError, match=message):
            Network([dot(axes, normalize=normalize)], pair(*shapes))
