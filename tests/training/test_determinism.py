"""The same bits for any number of threads, and after any stops on the way."""

import random

import pytest

from tests.training.runs import LINE, MIXED, assert_same_runs, go_on, interrupt, start, start_and_interrupt

FEATURES = {
    "plain": (),
    "accumulation": ("optimizer.gradient_accumulation_steps=4",),
    "ema": ("optimizer.use_ema=true", "optimizer.ema_momentum=0.9"),
    "global clip": ("optimizer.global_clipnorm=0.1",),
    "cosine": ("schedule={type: cosine, warmup_epochs: 1}",),
    "plateau": ("schedule={type: reduce_on_plateau, monitor: train/loss, patience: 1, min_delta: 10}",),
    "early stopping": ("training.early_stopping={patience: 1, min_delta: 1.0, restore_best_weights: true}",),
    "sometimes validated": ("training.validate_every=2",),
    "drop last": ("training.drop_last=true", "training.batch_size=32"),
    "full batch": ("training.batch_size=full",),
    "unshuffled": ("training.shuffle=false",),
    "double": ("precision=float64",),
    "penalty": ("model.layers[5].kernel_regularizer={type: l2, l2: 0.01}",),
    "augmented": ("data.augment=[{type: random_shift, pixels: 1}]",),
    "seed": ("seed=7",),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Runs that nobody stops, by their overrides."""
    runs = {}

    def get(*overrides):
        if overrides not in runs:
            runs[overrides] = start(tmp_path_factory.mktemp("undisturbed"), MIXED, *overrides).run
        return runs[overrides]

    return get


@pytest.mark.parametrize("threads", [1, 3, 4])
def test_threads_change_nothing(tmp_path, undisturbed, threads):
    run = start(tmp_path, MIXED, f"training.threads={threads}").run
    assert_same_runs(undisturbed(), run)


@pytest.mark.parametrize("feature", FEATURES)
def test_stops_change_nothing(tmp_path, undisturbed, feature, monkeypatch):
    overrides = FEATURES[feature]
    whole = undisturbed(*overrides)
    total = start(tmp_path, MIXED, *overrides).state.step
    generator = random.Random(feature)
    first = generator.randrange(1, total)
    run = start_and_interrupt(monkeypatch, tmp_path, MIXED, first, *overrides)
    if first < total - 1:
        again = generator.randrange(0, total - first)
        interrupt(monkeypatch, again, lambda: go_on(run, f"training.threads={generator.randint(1, 4)}"))
    go_on(run, f"training.threads={generator.randint(1, 4)}")
    assert_same_runs(whole, run)


def test_a_stop_at_every_step_changes_nothing(tmp_path, monkeypatch):
    whole = start(tmp_path, LINE).run
    run = start_and_interrupt(monkeypatch, tmp_path, LINE, 0)
    for _ in range(29):
        interrupt(monkeypatch, 1, lambda: go_on(run))
    go_on(run)
    assert_same_runs(whole, run)


def test_epochs_may_be_raised(tmp_path):
    whole = start(tmp_path, MIXED).run
    run = start(tmp_path, MIXED, "training.epochs=1").run
    go_on(run, "training.epochs=2")
    go_on(run, "training.epochs=3", "training.threads=1")
    assert_same_runs(whole, run)


@pytest.mark.parametrize("steps", [1, 10, 13])
def test_max_steps_may_be_raised(tmp_path, steps):
    whole = start(tmp_path, MIXED).run
    run = start(tmp_path, MIXED, f"training.max_steps={steps}").run
    go_on(run, "training.max_steps=null")
    assert_same_runs(whole, run)


def test_a_part_of_an_epoch_has_a_row(tmp_path):
    from tests.training.runs import Heard, rows_of

    heard = Heard()
    finished = start(tmp_path, MIXED, "training.max_steps=13", listener=heard)
    assert finished.ending.reason == "max_steps"
    assert [row["step"] for row in rows_of(finished.run)] == [10, 13]
    assert [result.partial for result in heard.results] == [False, True]
    assert finished.state.best_epoch == 1
