import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dlrun.schedules import SCHEDULES, Plateau, ReduceOnPlateau
from dlrun.schedules.cosine import Cosine
from dlrun.schedules.exponential import Exponential
from dlrun.schedules.one_cycle import OneCycle
from dlrun.schedules.polynomial import Polynomial
from dlrun.schedules.step import Step

REQUIRED = {"step": {"step_size": 2}, "exponential": {"decay_rate": 0.9}}
PER_EPOCH = 7
TOTAL = 70


def make(name, **fields):
    return SCHEDULES[name](**{**REQUIRED.get(name, {}), **fields})


def rates(schedule, total=TOTAL, learning_rate=0.1):
    return schedule.rates(np.arange(total), learning_rate, PER_EPOCH, total)


every_schedule = pytest.mark.parametrize("name", SCHEDULES.names)


@every_schedule
@settings(deadline=None)
@given(data=st.data())
def test_rates_are_a_pure_function_of_each_step(name, data):
    schedule = make(name, warmup_epochs=data.draw(st.sampled_from([0, 0.5, 2, 20])))
    whole = rates(schedule)
    steps = np.array(data.draw(st.lists(st.integers(0, TOTAL - 1), max_size=20)), np.int64)
    some = schedule.rates(steps, 0.1, PER_EPOCH, TOTAL)
    assert some.dtype == np.float64
    assert some.tobytes() == whole[steps].tobytes()


@every_schedule
def test_rates_stay_finite_and_positive_in_the_shortest_runs(name):
    for total in (1, 2, 3):
        found = make(name, warmup_steps=1, warmup_from=0.5).rates(np.arange(total + 2), 0.1, 1, total)
        assert np.all(np.isfinite(found))
        assert np.all(found >= 0)


@every_schedule
def test_warmup_goes_before_the_schedule(name):
    schedule = make(name)
    warm = rates(make(name, warmup_epochs=2, warmup_from=0.2))
    after = schedule.rates(np.arange(TOTAL - 14), 0.1, PER_EPOCH, TOTAL - 14)
    np.testing.assert_array_equal(warm[14:], after)
    np.testing.assert_allclose(warm[:14], after[0] * np.linspace(0.2, 1, 14, endpoint=False), rtol=1e-14)
    np.testing.assert_array_equal(rates(make(name, warmup_steps=14, warmup_from=0.2)), warm)


def test_warmup_begins_at_nothing_unless_told_otherwise():
    assert rates(make("constant", warmup_steps=4))[:5] == pytest.approx([0, 0.025, 0.05, 0.075, 0.1])


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("constant", {"warmup_epochs": 1, "warmup_steps": 1}, "exclude each other"),
        ("constant", {"warmup_epochs": -1}, "greater than or equal to 0"),
        ("step", {"step_size": None}, "either step_size or milestones"),
        ("step", {"milestones": [1]}, "either step_size or milestones"),
        ("step", {"step_size": None, "milestones": [3, 2]}, "must rise"),
        ("exponential", {"decay_epochs": 1, "decay_steps": 1}, "exclude each other"),
        ("polynomial", {"decay_epochs": 1, "decay_steps": 1}, "exclude each other"),
        ("cosine", {"alpha": 0.1, "minimum": 0.1}, "exclude each other"),
        ("one_cycle", {"pct_start": 1.5}, "less than or equal to 1"),
        ("reduce_on_plateau", {"factor": 1.0}, "less than 1"),
    ],
)
def test_wrong_fields_are_refused(name, fields, message):
    with pytest.raises(ValidationError, match=message):
        make(name, **fields)


def test_step_falls_at_its_milestones():
    found = rates(Step(milestones=(1, 2.5), gamma=0.5))
    np.testing.assert_allclose(found[[0, 6, 7, 17, 18, 69]], [0.1, 0.1, 0.05, 0.05, 0.025, 0.025], rtol=1e-14)


def test_exponential_as_keras_defines_it():
    steps = np.arange(TOTAL)
    np.testing.assert_allclose(
        rates(Exponential(decay_rate=0.5, decay_steps=20)), 0.1 * 0.5 ** (steps / 20), rtol=1e-14
    )
    stairs = rates(Exponential(decay_rate=0.5, decay_epochs=2, staircase=True))
    np.testing.assert_allclose(stairs, 0.1 * 0.5 ** (steps // 14), rtol=1e-14)


def test_polynomial_stays_at_its_end():
    found = rates(Polynomial(end_learning_rate=0.02, power=2, decay_steps=10))
    np.testing.assert_allclose(found[:10], 0.02 + 0.08 * (1 - np.arange(10) / 10) ** 2, rtol=1e-14)
    np.testing.assert_array_equal(found[10:], 0.02)


def test_cosine_ends_at_alpha_or_minimum():
    for schedule in (Cosine(alpha=0.1), Cosine(minimum=0.01)):
        found = schedule.rates(np.array([0, TOTAL // 2, TOTAL, 2 * TOTAL]), 0.1, PER_EPOCH, TOTAL)
        np.testing.assert_allclose(found, [0.1, 0.055, 0.01, 0.01], rtol=1e-12)


def torch_rates(build, total=TOTAL, per_epoch=False):
    torch = pytest.importorskip("torch", reason="compares with PyTorch (the extra parity)")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = build(torch.optim.lr_scheduler, optimizer)
    found = []
    for step in range(total):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < total - 1 and (not per_epoch or (step + 1) % PER_EPOCH == 0):
            schedule.step()
    return np.array(found)


@pytest.mark.parametrize(
    ("schedule", "build", "per_epoch"),
    [
        (Step(step_size=3, gamma=0.3), lambda s, o: s.StepLR(o, 3, 0.3), True),
        (Step(milestones=(2, 3, 7), gamma=0.3), lambda s, o: s.MultiStepLR(o, [2, 3, 7], 0.3), True),
        (Exponential(decay_rate=0.8, staircase=True), lambda s, o: s.ExponentialLR(o, 0.8), True),
        (Exponential(decay_rate=0.8, decay_steps=1), lambda s, o: s.ExponentialLR(o, 0.8), False),
        (Polynomial(end_learning_rate=0, power=1.7), lambda s, o: s.PolynomialLR(o, TOTAL, 1.7), False),
        (Cosine(minimum=0.004), lambda s, o: s.CosineAnnealingLR(o, TOTAL, 0.004), False),
        (
            Cosine(minimum=0.004, restarts={"first_period": 1, "multiplier": 2}),
            lambda s, o: s.CosineAnnealingWarmRestarts(o, PER_EPOCH, 2, 0.004),
            False,
        ),
        (
            Cosine(warmup_steps=14, warmup_from=0.1),
            lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1, 14), s.CosineAnnealingLR(o, TOTAL - 14)], [14]),
            False,
        ),
    ],
)
def test_agrees_with_pytorch(schedule, build, per_epoch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR calls a deprecated form of its own step
        expected = torch_rates(build, per_epoch=per_epoch)
    np.testing.assert_allclose(rates(schedule), expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("annealing", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize(("pct_start", "total"), [(0.3, 70), (0.25, 11), (0.0, 9), (0.5, 10), (1.0, 8), (0.3, 2)])
def test_one_cycle_agrees_with_pytorch(annealing, three_phase, pct_start, total):
    options = {"pct_start": pct_start, "div_factor": 10, "final_div_factor": 50, "three_phase": three_phase}
    expected = torch_rates(
        lambda s, o: s.OneCycleLR(o, 0.4, total, anneal_strategy=annealing, cycle_momentum=False, **options), total
    )
    schedule = OneCycle(max_learning_rate=0.4, annealing=annealing, **options)
    np.testing.assert_allclose(rates(schedule, total), expected, rtol=1e-10)


def test_one_cycle_takes_the_learning_rate_for_its_largest():
    assert rates(OneCycle(), 101).max() == pytest.approx(0.1, rel=1e-3)


values = st.lists(st.sampled_from([1.0, 0.9, 0.8, 0.79, 0.5, math.inf]), min_size=1, max_size=60)


@settings(deadline=None)
@given(values, st.integers(1, 4), st.integers(0, 3), st.sampled_from(["min", "max"]))
def test_plateau_agrees_with_pytorch(monitored, patience, cooldown, mode):
    torch = pytest.importorskip("torch", reason="compares with PyTorch (the extra parity)")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, 0.5, patience - 1, 0.05, "abs", cooldown, min_lr=0.1, eps=0
    )
    schedule = ReduceOnPlateau(
        factor=0.5, patience=patience, min_delta=0.05, cooldown=cooldown, min_learning_rate=0.1, mode=mode
    )
    # PyTorch starts from an infinitely bad best, ours from none: the same unless the first value is that bad.
    state = schedule.start()
    for value in monitored if math.isfinite(monitored[0]) else [1.0, *monitored]:
        reference.step(value)
        state = schedule.update(state, value)
        (rate,) = schedule.apply(np.ones(1), state)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"])


def test_plateau_survives_a_checkpoint_at_any_value():
    schedule = ReduceOnPlateau(patience=2, cooldown=1, min_delta=0)
    state = straight = Plateau()
    for value in [1.0, 0.5, 0.6, math.nan, 0.7, 0.4, 0.5, 0.5]:
        straight = schedule.update(straight, value)
        state = schedule.update(Plateau.from_json(state.to_json()), value)
    assert state == straight
    assert straight.factor == pytest.approx(0.01)


def test_plateau_ignores_nan_first_values_and_keeps_the_warmup_below_the_minimum():
    schedule = ReduceOnPlateau(patience=1, min_learning_rate=0.05, warmup_steps=4)
    state = schedule.update(schedule.start(), math.nan)
    assert state.best is None
    found = schedule.apply(schedule.rates(np.arange(6), 0.1, PER_EPOCH, TOTAL), state)
    assert found == pytest.approx([0, 0.025, 0.05, 0.05, 0.05, 0.05])


def test_plateau_asks_the_monitored_metric_which_way_is_up():
    for monitor, better in (("validation/loss", 0.5), ("validation/accuracy", 1.5), ("train/f1/cat", 1.5)):
        schedule = ReduceOnPlateau(monitor=monitor)
        assert schedule.update(Plateau(best=1.0), better).best == better
        assert schedule.update(Plateau(best=1.0), 2 - better).best == 1.0
