"""How many rows an evaluation takes at a time: few enough for the cache, and whatever it is, the same results."""

from types import SimpleNamespace

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.data.load import load
from dlrun.training import sizes
from dlrun.training.session import Session
from tests.training.runs import MIXED


def evaluated(monkeypatch, cache, precision, threads):
    """(batch, metrics, predictions) where so many bytes are in the cache."""
    loaded = load_text(MIXED, overrides=["training.epochs=1", f"precision={precision}", f"training.threads={threads}"])
    session = Session(loaded.config, loaded.layer_paths, load(loaded.config.data, loaded.config.seed))
    monkeypatch.setattr(sizes, "BYTES_IN_CACHE", cache)
    executor = session.evaluator("test")
    session.draw_weights(executor)
    return executor.plan.batch, *session.evaluate_all("test", session.split("test"))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_results_depend_neither_on_the_rows_at_a_time_nor_on_the_threads(monkeypatch, precision):
    whole = evaluated(monkeypatch, 1 << 30, precision, 1)
    assert whole[0] == 256
    for size, threads in [(1 << 30, 2), (1 << 30, 3), (1 << 14, 1), (1 << 14, 2), (1 << 14, 4)]:
        found = evaluated(monkeypatch, size, precision, threads)
        most = 256 // threads
        assert 16 // threads <= found[0] < most if size < 1 << 30 else found[0] == most
        assert found[1] == whole[1]
        assert all(np.array_equal(found[2][name], whole[2][name]) for name in whole[2])


@pytest.mark.parametrize(("megabytes", "rows"), [(1, 256), (6, 256), (6.5, 128), (32, 32), (1000, 16)])
def test_many_rows_are_taken_while_they_fit(megabytes, rows):
    plan = SimpleNamespace(batch=256, arena_bytes={"work": int(megabytes * (1 << 20))})
    assert sizes.rows_in_cache(plan) == rows
