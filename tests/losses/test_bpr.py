"""bpr against its formula, central differences of it, and itself on other threads: it compares rows with each other."""

from dataclasses import replace

import numpy as np
import pytest

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.losses import LOSSES
from tests.losses import harness

GROUP, GROUPS = 4, 5
ROWS = GROUP * GROUPS
SCORES = np.random.default_rng(0).standard_normal((ROWS, 1)) * 3
WEIGHTS = np.repeat(np.random.default_rng(1).uniform(0.5, 2, GROUPS), GROUP).astype(np.float32)
TARGETS = np.tile([1] + [0] * (GROUP - 1), GROUPS)


def formula(scores):
    """The loss of each group."""
    chosen, others = scores.reshape(GROUPS, GROUP)[:, :1], scores.reshape(GROUPS, GROUP)[:, 1:]
    return np.mean(np.log1p(np.exp(others - chosen)), axis=1)


@pytest.fixture(autouse=True)
def groups(monkeypatch):
    plain = harness.feature_of
    monkeypatch.setattr(harness, "feature_of", lambda *given: replace(plain(*given), group=GROUP))


def run(scores=SCORES, weights=WEIGHTS, precision="float64", threads=2):
    return harness.run_loss(LOSSES["bpr"](), scores, TARGETS, weights, ("no", "yes"), None, precision, threads)


def test_losses_are_the_formula_and_predictions_the_scores_sigmoids():
    result = run()
    np.testing.assert_allclose(result.losses, WEIGHTS * np.repeat(formula(SCORES), GROUP), rtol=1e-12)
    np.testing.assert_allclose(result.predictions, 1 / (1 + np.exp(-SCORES)), rtol=1e-12)
    alone = harness.run_predictions(LOSSES["bpr"](), SCORES, "float32")
    assert np.array_equal(alone, run(precision="float32").predictions)


def test_gradient_is_central_differences_of_the_mean():
    gradient = run().gradient
    for n in range(ROWS):
        step = np.zeros_like(SCORES)
        step[n] = 1e-6
        difference = np.sum((formula(SCORES + step) - formula(SCORES - step)) * WEIGHTS[::GROUP]) / GROUPS
        assert gradient[n, 0] == pytest.approx(difference / 2e-6, rel=1e-6, abs=1e-9)


def test_the_same_bits_on_any_threads():
    one, *others = (run(precision="float32", threads=threads) for threads in (1, 2, 3))
    for name in ("losses", "predictions", "gradient"):
        np.testing.assert_allclose(getattr(one, name), getattr(run(), name), rtol=1e-5, atol=1e-6)
        for other in others:
            assert np.array_equal(getattr(one, name), getattr(other, name))


def test_far_scores_stay_finite():
    scores = np.zeros((ROWS, 1))
    scores[0], scores[GROUP] = 1000, -1000
    result = run(scores, None, "float32")
    assert (result.losses[0], result.losses[GROUP]) == (0, 1000)
    assert np.isfinite(result.gradient).all()


@pytest.mark.parametrize(("shape", "group", "message"), [((2,), 5, "takes one score a row"), ((1,), 1, "doesn't say")])
def test_what_does_not_fit_is_explained(shape, group, message):
    target = Feature("target", (), "int32", "labels", ("no", "yes"), group=group)
    with pytest.raises(ShapeError, match=message):
        LOSSES["bpr"]().check(shape, target)
