"""The learning-rate range test: its losses are those of an ordinary training, whatever looks at them."""

import math

import numpy as np
import pytest

from dlrun.config.load import load_text
from dlrun.errors import NonFiniteError, UsageError
from dlrun.training.rate_range import Range, range_test
from dlrun.training.rate_suggestions import divergence, smoothed, suggest
from tests.training.runs import LINE, MIXED, Heard, start

SHORT = Range(1e-4, 10.0, 40, 0.8)


def rates_of(folder, text, *overrides, tried=SHORT):
    return range_test(load_text(text, "test.yaml", overrides), tried, folder)


def test_rates_grow_by_the_same_factor_from_the_first_to_the_last(tmp_path):
    found = rates_of(tmp_path, LINE, tried=Range(1e-6, 1e-2, 25, 0.9))
    assert len(found.rates) == 25
    np.testing.assert_allclose(found.rates, np.geomspace(1e-6, 1e-2, 25), rtol=1e-12)
    assert not found.diverged


def test_losses_are_those_of_an_ordinary_training(tmp_path):
    found = rates_of(tmp_path, LINE)
    schedule = f"schedule={{type: exponential, decay_rate: {10.0 / 1e-4!r}, decay_steps: 39}}"
    heard = Heard()
    start(tmp_path, LINE, "optimizer.learning_rate=1e-4", schedule, "training.epochs=2", listener=heard)
    losses = [result.row["train/loss"] for result in heard.results]
    assert losses == [pytest.approx(found.losses[start : start + 10].mean(), rel=1e-7) for start in (0, 10)]


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rates_of(tmp_path / "runs", MIXED)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_any_number_of_threads_gives_the_same(tmp_path, threads):
    one = rates_of(tmp_path, MIXED, "training.threads=1")
    other = rates_of(tmp_path, MIXED, f"training.threads={threads}")
    np.testing.assert_array_equal(one.losses, other.losses)
    assert one.suggestions == other.suggestions
    assert one.diverged == other.diverged


def test_it_ends_where_the_training_diverges_however_often_it_is_looked_at(tmp_path, monkeypatch):
    found = rates_of(tmp_path, LINE)
    assert found.diverged
    assert 20 < len(found.losses) < 40
    assert found.smoothed[-1] > 4 * found.smoothed.min()
    monkeypatch.setattr("dlrun.executor.executor.POLL_NANOSECONDS", 1000)
    again = rates_of(tmp_path, LINE)
    np.testing.assert_array_equal(found.losses, again.losses)


def test_validation_rows_metrics_and_limits_of_the_config_change_nothing(tmp_path):
    plain = rates_of(tmp_path, MIXED, "data.split={test: 0.4}")
    limits = ("training.max_steps=3", "training.early_stopping={monitor: train/loss}", "training.max_time=1e-3")
    limited = rates_of(
        tmp_path,
        MIXED,
        "data.split={test: 0.4}",
        "metrics=[]",
        *limits,
        "schedule={type: reduce_on_plateau, monitor: train/loss}",
    )
    np.testing.assert_array_equal(plain.losses, limited.losses)


def test_a_one_cycle_schedule_takes_the_rate_as_its_own(tmp_path):
    own = rates_of(tmp_path, LINE, "schedule={type: one_cycle, max_learning_rate: 0.1}")
    assert own.override(0.012345) == "schedule.max_learning_rate=0.012"
    assert rates_of(tmp_path, LINE, "schedule=one_cycle").override(3e-5) == "optimizer.learning_rate=3e-05"


def test_a_suggestion_trains_and_lies_where_the_loss_falls(tmp_path):
    found = rates_of(tmp_path, LINE)
    assert set(found.suggestions) == {"steep", "valley", "minimum"}
    for rate in found.suggestions.values():
        finished = start(tmp_path, LINE, found.override(rate), "training.epochs=2")
        assert math.isfinite(finished.state.best)
        assert 1e-4 < rate < found.rates[found.smoothed.argmin()]


def test_a_first_step_without_a_finite_loss_is_an_error(tmp_path):
    layer = "model.layers[0].kernel_initializer={type: constant, value: 1e38}"
    with pytest.raises(NonFiniteError, match="the loss is not finite in step 1"):
        rates_of(tmp_path, LINE, layer)


def test_rows_seen_again_and_again_are_told(tmp_path):
    found = rates_of(tmp_path, LINE, "training.batch_size=full", tried=Range(1e-4, 1e-1, 60, 0.8))
    assert found.epochs == 60
    assert "the same rows were seen 60 times" in found.notes[0]


@pytest.mark.parametrize(
    "tried", [Range(1.0, 1.0), Range(0.0, 1.0), Range(1.0, math.inf), Range(steps=19), Range(smoothing=1.0)]
)
def test_what_cannot_be_tried_is_refused(tried):
    with pytest.raises(UsageError):
        tried.check()


def test_the_running_mean_starts_at_the_first_value():
    losses = np.array([3.0, 1.0, 2.0])
    np.testing.assert_allclose(smoothed(losses, 0.5), [3.0, (0.5 * 1.5 + 0.5) / 0.75, (0.625 + 1.0) / 0.875])
    np.testing.assert_array_equal(smoothed(losses, 0.0), losses)


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ([2.0, 1.0, 3.9, 4.1], 3),  # four times the best
        ([2.0, 0.1, 1.0, 2.1], 3),  # a good best: not before the first loss is passed
        ([1.0, -5.0, 9.0, 10.5], 3),  # a loss below zero
        ([2.0, 1.0, 1.5], None),
        ([], None),
    ],
)
def test_where_a_training_diverges(losses, step):
    assert divergence(np.array(losses)) == step


def fastai_valley(losses):
    """fastai's loops (fastai/callback/schedule.py), word for word but for the rates."""
    n = len(losses)
    max_start, max_end = 0, 0
    lds = [1] * n
    for i in range(1, n):
        for j in range(0, i):
            if (losses[i] < losses[j]) and (lds[i] < lds[j] + 1):
                lds[i] = lds[j] + 1
            if lds[max_end] < lds[i]:
                max_end = i
                max_start = max_end - lds[max_end]
    sections = (max_end - max_start) / 3
    return max_start + int(sections) + int(sections / 2)


@pytest.mark.parametrize("seed", range(5))
def test_suggestions_are_fastais(seed):
    rng = np.random.default_rng(seed)
    rates = np.geomspace(1e-6, 10, 100)
    losses = 2.0 - 1.5 / (1 + np.exp(-3 * (np.log10(rates) + 3))) + np.maximum(0, np.log10(rates)) * 4
    losses += rng.normal(0, 0.02, 100)
    found = suggest(rates, losses, 0.9, 10)
    means, kept = smoothed(losses, 0.9)[10:-5], rates[10:-5]
    slopes = [(b - a) / (np.log(y) - np.log(x)) for a, b, x, y in zip(means, means[1:], kept, kept[1:], strict=False)]
    assert found == {
        "steep": kept[np.argmin(slopes)], "valley": kept[fastai_valley(means)], "minimum": kept[np.argmin(means)] / 10,
    }  # fmt: skip


def test_a_loss_that_only_wavers_suggests_nothing():
    rng = np.random.default_rng(0)
    rates = np.geomspace(1e-6, 10, 300)
    for _ in range(20):
        assert suggest(rates, 2.0 + rng.normal(0, 0.1, 300), 0.95, 30) == {}
