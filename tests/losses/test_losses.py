"""Every loss against its formula in NumPy, central differences of it, and itself on other threads."""

import numpy as np
import pytest

from dlrun.losses import LOSSES
from tests.losses.harness import run_loss, run_predictions

ROWS, SIZE = 7, 5
generator = np.random.default_rng(0)
OUTPUTS = generator.standard_normal((ROWS, SIZE)) * 2
NUMBERS = generator.standard_normal((ROWS, SIZE))
SHARES = generator.uniform(size=(ROWS, SIZE))
BITS = generator.integers(0, 2, (ROWS, SIZE)).astype(float)
LABELS = generator.integers(0, SIZE, ROWS)
TWO = generator.integers(0, 2, ROWS)
WEIGHTS = generator.uniform(0.5, 2, ROWS).astype(np.float32)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def itself(z):
    return z


def mse(z, t):
    return np.mean((z - t) ** 2)


def binary(smoothing=0.0, positive=1.0):
    def loss(z, t):
        t = t * (1 - smoothing) + smoothing / 2
        p = sigmoid(z)
        return np.mean(-positive * t * np.log(p) - (1 - t) * np.log(1 - p))

    return loss


def cross(smoothing=0.0):
    def loss(z, label):
        t = np.full(len(z), smoothing / len(z))
        t[label] += 1 - smoothing
        return -np.sum(t * np.log(softmax(z)))

    return loss


CASES = {
    "mse": (LOSSES["mse"](), mse, itself, OUTPUTS, NUMBERS, None),
    "binary, many": (LOSSES["binary_cross_entropy"](), binary(), sigmoid, OUTPUTS, BITS, None),
    "binary, shares": (LOSSES["binary_crossentropy"](label_smoothing=0.2, positive_weight=3), binary(0.2, 3), sigmoid, OUTPUTS, SHARES, None),
    "binary, labels": (LOSSES["binary_cross_entropy"](), binary(), sigmoid, OUTPUTS[:, :1], TWO, ("no", "yes")),
    "cross_entropy": (LOSSES["cross_entropy"](label_smoothing=0.1), cross(0.1), softmax, OUTPUTS, LABELS, "abcde"),
}  # fmt: skip
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@cases
def test_losses_and_predictions_are_the_formula(case):
    loss, formula, link, outputs, targets, classes = case
    result = run_loss(loss, outputs, targets, WEIGHTS, classes)
    for n in range(ROWS):
        assert result.losses[n] == pytest.approx(WEIGHTS[n] * formula(outputs[n], targets[n]), rel=1e-12)
        np.testing.assert_allclose(result.predictions[n], link(outputs[n]), rtol=1e-12)


@cases
def test_gradient_is_central_differences_of_the_formula(case):
    loss, formula, _, outputs, targets, classes = case
    gradient = run_loss(loss, outputs, targets, WEIGHTS, classes).gradient
    for n, i in np.ndindex(outputs.shape):
        step = np.zeros(outputs.shape[1])
        step[i] = 1e-6
        numeric = (formula(outputs[n] + step, targets[n]) - formula(outputs[n] - step, targets[n])) / 2e-6
        assert gradient[n, i] == pytest.approx(WEIGHTS[n] * numeric / ROWS, rel=1e-6, abs=1e-9)


@cases
def test_float32_is_close_and_the_same_on_any_threads(case):
    loss, _, _, outputs, targets, classes = case
    exact = run_loss(loss, outputs, targets, None, classes)
    results = [run_loss(loss, outputs, targets, None, classes, None, "float32", threads) for threads in (1, 2, 3)]
    for name in ("losses", "predictions", "gradient"):
        np.testing.assert_allclose(getattr(results[0], name), getattr(exact, name), rtol=1e-5, atol=1e-6)
        for other in results[1:]:
            assert np.array_equal(getattr(results[0], name), getattr(other, name))


@cases
def test_predictions_without_targets_have_the_same_bits(case):
    loss, _, _, outputs, targets, classes = case
    together = run_loss(loss, outputs, targets, None, classes, None, "float32").predictions
    assert np.array_equal(run_predictions(loss, outputs, "float32"), together)


def test_large_logits_stay_finite():
    outputs = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
    result = run_loss(LOSSES["binary_cross_entropy"](), outputs, np.array([[1.0, 0.0], [1.0, 0.0]]), precision="float32")
    assert result.losses.tolist() == [0.0, 1000.0]
    assert result.gradient.tolist() == [[0.0, 0.0], [-0.25, 0.25]]


def test_small_losses_keep_their_digits():
    outputs = np.array([[20.0], [30.0]])
    result = run_loss(LOSSES["binary_cross_entropy"](), outputs, np.ones((2, 1)), precision="float32")
    np.testing.assert_allclose(result.losses, np.log1p(np.exp(-outputs[:, 0])), rtol=1e-6)
    np.testing.assert_allclose(result.gradient[:, 0], -np.exp(-outputs[:, 0]) / 2, rtol=1e-6)
