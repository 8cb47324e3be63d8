"""dlrun find-batch-size: which sizes are measured, and what is made of the times."""

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.errors import ConfigError, DataError, UsageError
from dlrun.training import batch_sizes
from dlrun.training.batch_sizes import BatchSizes, Measured, measure_batch_sizes
from tests.training.runs import LINE, MIXED


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(batch_sizes, "SECONDS", 0.002)
    monkeypatch.setattr(batch_sizes, "ROUNDS", 2)


def sizes_of(text, *overrides, sizes=None):
    return measure_batch_sizes(load_text(text, "test.yaml", overrides), sizes)


def speeds(*values):
    return BatchSizes(tuple(Measured(2**i, 1, 1, 1.0, float(value), 1) for i, value in enumerate(values)), 4)


def test_the_smallest_batch_that_comes_near_the_best_speed_is_suggested():
    assert speeds(10, 50, 91, 100).suggested == 4
    assert speeds(10, 50, 89, 100).suggested == 8
    assert speeds(100, 50).suggested == 1
    assert [row["of the best"] for row in speeds(10, 100).rows()] == ["10%", "100%"]


def test_powers_of_two_up_to_the_rows_and_the_configs_own_size_are_measured():
    found = sizes_of(LINE)
    assert [each.batch_size for each in found.measured] == [8, 10, 16, 32, 64]
    assert [each.steps_per_epoch for each in found.measured] == [13, 10, 7, 4, 2]
    assert found.present == 10
    assert found.suggested in (8, 10, 16, 32, 64)


def test_a_larger_batch_takes_more_memory():
    small, large = sizes_of(MIXED, sizes=[4, 64]).measured
    assert large.memory_bytes > 1.5 * small.memory_bytes
    for each in (small, large):
        np.testing.assert_allclose(each.samples_per_second * each.step_seconds, each.batch_size, rtol=1e-6)


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="a batch of 101 rows can't be: there are 100 training rows"):
        sizes_of(LINE, sizes=[101])
    with pytest.raises(UsageError, match="a batch of 0 rows"):
        sizes_of(LINE, sizes=[0])


def test_what_would_fill_the_memory_is_left_out(monkeypatch):
    plan = sizes_of(MIXED, sizes=[16]).measured[0]
    monkeypatch.setattr(batch_sizes, "_free_memory", lambda: 2 * plan.memory_bytes)
    found = sizes_of(MIXED, sizes=[8, 16, 32, 64])
    assert [each.batch_size for each in found.measured] == [8, 16]
    assert "batches of 32 rows and more are left out" in found.notes[-1]
    monkeypatch.setattr(batch_sizes, "_free_memory", lambda: 1000)
    with pytest.raises(DataError, match="batches of 8 rows and more are left out"):
        sizes_of(MIXED, sizes=[8, 16])


def test_accumulated_and_full_batches_are_measured_too():
    assert sizes_of(LINE, "optimizer.gradient_accumulation_steps=4", sizes=[5, 10]).measured[1].batch_size == 10
    assert [each.batch_size for each in sizes_of(LINE, "training.batch_size=full").measured] == [8, 16, 32, 64]


def test_auto_names_the_command_that_measures():
    with pytest.raises(ConfigError, match="'auto' is no batch size: dlrun find-batch-size CONFIG"):
        load_text(LINE, "test.yaml", ["training.batch_size=auto"])
