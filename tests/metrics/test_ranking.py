"""recall_at_k and ndcg_at_k against plain loops and scikit-learn; ranks against sorting."""

import numpy as np
import pytest

from dlrun.data.signature import Feature
from dlrun.metrics import METRICS, direction_of
from dlrun.training.ranking import ranks_of

TARGET = Feature("target", (), "int32", "labels", ("no", "yes"), group=5)
USERS, ITEMS = 7, 23


@pytest.fixture
def choices():
    """Scores of all items for users, and which of them each chose: 1 to 7 of them."""
    random = np.random.default_rng(0)
    chosen = np.zeros((USERS, ITEMS), bool)
    for user in range(USERS):
        chosen[user, random.choice(ITEMS, user + 1, replace=False)] = True
    return random.standard_normal((USERS, ITEMS)), chosen


def measure(name, k, scores, chosen, parts=1):
    metric = METRICS[name](k=k)
    tracker = metric.start(TARGET, 1)
    rows, items = np.nonzero(chosen)
    for part in np.array_split(np.arange(len(rows)), parts):
        tracker.update(rows[part] * 10, ranks_of(scores, rows[part], items[part]))
    assert metric.names(TARGET, 1) == (f"{name.removesuffix('_k')}_{k}",)
    return tracker.result()[metric.label()]


@pytest.mark.parametrize("k", [1, 3, 10, 23])
@pytest.mark.parametrize("parts", [1, 3])
def test_recall(choices, k, parts):
    scores, chosen = choices
    best = np.argsort(-scores, axis=1)[:, :k]
    each = [chosen[user, best[user]].sum() / chosen[user].sum() for user in range(USERS)]
    assert measure("recall_at_k", k, scores, chosen, parts) == pytest.approx(np.mean(each), rel=1e-12)


@pytest.mark.parametrize("k", [1, 3, 10, 23])
def test_ndcg(choices, k):
    ranking = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn")
    scores, chosen = choices
    expected = ranking.ndcg_score(chosen, scores, k=k)
    assert measure("ndcg_at_k", k, scores, chosen, 2) == pytest.approx(expected, rel=1e-12)


def test_equal_scores_rank_by_index_and_unknown_items_last():
    scores = np.array([[1.0, 2.0, 2.0, 0.0]])
    rows, items = np.zeros(5, np.int64), np.array([0, 1, 2, 3, 4])
    assert ranks_of(scores, rows, items).tolist() == [2, 0, 1, 3, 4]


def test_nobody_to_rank_for_is_no_number():
    for name in ("recall_at_k", "ndcg_at_k"):
        tracker = METRICS[name]().start(TARGET, 1)
        tracker.update(np.zeros(0), np.zeros(0, np.int64))
        assert np.isnan(next(iter(tracker.result().values())))


def test_more_is_better_under_every_name():
    for name in ("validation/recall_at_10", "ndcg_at_5", "train/recall"):
        assert direction_of(name) == "max"
