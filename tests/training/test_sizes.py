"""How many rows an evaluation takes at a time: few enough for the cache, and whatever it is, the same results."""

from types import SimpleNamespace

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.data.load import load
from dlrun.training import sizes
from dlrun.training.session import Session
from tests.training.runs import MIXED


def evaluated(monkeypatch, cache, precision):
    """(batch, metrics, predictions) where so many bytes are in the cache."""
    loaded = load_text(MIXED, overrides=["training.epochs=1", f"precision={precision}"])
    session = Session(loaded.config, loaded.layer_paths, load(loaded.config.data, loaded.config.seed))
    monkeypatch.setattr(sizes, "BYTES_IN_CACHE", cache)
    executor = session.evaluator("test")
    session.draw_weights(executor)
    return executor.plan.batch, *session.evaluate_all("test", session.split("test"))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_results_dont_depend_on_the_rows_at_a_time(monkeypatch, precision):
    whole, few = (evaluated(monkeypatch, size, precision) for size in (1 << 30, 1 << 14))
    assert 16 <= few[0] < whole[0] == 256
    assert few[1] == whole[1]
    assert all(np.array_equal(few[2][name], whole[2][name]) for name in whole[2])


@pytest.mark.parametrize(("megabytes", "rows"), [(1, 256), (6, 256), (6.5, 128), (32, 32), (1000, 16)])
def test_many_rows_are_taken_while_they_fit(megabytes, rows):
    plan = SimpleNamespace(batch=256, arena_bytes={"work": int(megabytes * (1 << 20))})
    assert sizes.rows_in_cache(plan) == rows
