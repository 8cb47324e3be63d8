"""What a config can ask of a training, each looked at in what comes out."""

import numpy as np
import pytest

from dlrun.errors import CheckpointError, ConfigError, NonFiniteError, UsageError
from dlrun.runs.checkpoint import load_checkpoint
from dlrun.runs.record import read_record
from dlrun.training.evaluation import evaluate_run
from dlrun.training.prediction import predict_rows
from tests.training.runs import LINE, MIXED, Heard, go_on, rows_of, start

EPOCH = "training.epochs=1"


def model(run, which="last"):
    tensors = load_checkpoint(run.checkpoints / f"{which}.safetensors").tensors
    return {name.removeprefix("model/"): t for name, t in tensors.items() if name.startswith("model/")}


def test_the_averages_are_what_is_used(tmp_path):
    """The moving average, computed here from the weights after each step, is what checkpoints and evaluation hold."""
    weights = []
    for steps in range(1, 6):
        run = start(tmp_path, LINE, f"training.max_steps={steps}").run
        weights.append(model(run)["dense_1/kernel"])
    average = weights[0]
    for each in weights[1:]:
        average = np.float32(average + (each - average) * np.float32(0.2))
    ema = ("optimizer.use_ema=true", "optimizer.ema_momentum=0.8", "data.split.validation=20", "data.split.test=20")
    plain = start(tmp_path, LINE, "training.max_steps=5").run
    run = start(tmp_path, LINE, "training.max_steps=5", *ema[:2]).run
    np.testing.assert_allclose(model(run)["dense_1/kernel"], average, rtol=1e-6)
    trained = load_checkpoint(run.last).tensors["training/dense_1/kernel"]
    np.testing.assert_array_equal(trained, model(plain)["dense_1/kernel"])
    run = start(tmp_path, LINE, *ema).run
    assert evaluate_run(run, "validation", "last").metrics["loss"] == rows_of(run)[-1]["validation/loss"]


def test_penalties_are_part_of_the_reported_loss(tmp_path):
    """With a learning rate of 0 the loss differs by l2 times the sum of squares, in training and validation."""
    still = ("optimizer.learning_rate=0", "data.split.validation=20", EPOCH)
    plain = rows_of(start(tmp_path, LINE, *still).run)[0]
    run = start(tmp_path, LINE, *still, "model.layers[0].kernel_regularizer={type: l2, l2: 0.5}").run
    penalty = 0.5 * float(model(run)["dense_1/kernel"].item()) ** 2
    assert penalty > 0.1
    for name in ("train/loss", "validation/loss"):
        assert rows_of(run)[0][name] == pytest.approx(plain[name] + penalty, rel=1e-6)
    assert evaluate_run(run, "validation", None).metrics["loss"] == pytest.approx(plain["validation/loss"] + penalty)


def test_a_penalty_of_an_unfull_last_batch_counts_by_rows(tmp_path):
    """Keras's mean: each step's penalty counts for each of its rows."""
    l2 = "model.layers[0].kernel_regularizer={type: l2, l2: 0.5}"
    odd = ("training.batch_size=60", EPOCH, "training.shuffle=false", l2)
    run = start(tmp_path, LINE, *odd).run
    first = start(tmp_path, LINE, *odd, "training.max_steps=1").run
    before = start(tmp_path, LINE, *odd, "optimizer.learning_rate=0").run
    squares = [0.5 * float(model(r)["dense_1/kernel"].item()) ** 2 for r in (before, first)]
    losses = rows_of(run)[0]["train/loss"]
    from dlrun.runs.metrics_csv import read_metrics

    plain_first = read_metrics(first.metrics).rows[0]["train/loss"] - squares[0]
    rest = (losses * 100 - 60 * (plain_first + squares[0])) / 40 - squares[1]
    assert 0 < rest < plain_first


def test_frozen_layers_stay_as_they_were_taken(tmp_path):
    source = start(tmp_path, MIXED, EPOCH).run
    heard = Heard()
    freeze = f"initialize_from={{path: {source.name}, freeze: [conv2d_1, batch_normalization_1]}}"
    run = start(tmp_path, MIXED, EPOCH, "seed=5", freeze, listener=heard).run
    before, after = model(source), model(run)
    for name, tensor in after.items():
        same = np.array_equal(tensor, before[name])
        assert same == name.startswith(("conv2d_1/", "batch_normalization_1/")), name
    assert any("10 of 10 arrays taken" in note for note in heard.notes)
    assert str(source.path) in run.resolved_config.read_text()


def test_latest_is_the_run_before(tmp_path):
    source = start(tmp_path, LINE, EPOCH).run
    run = start(tmp_path, LINE, "initialize_from=latest", "optimizer.learning_rate=0", EPOCH).run
    np.testing.assert_array_equal(model(run)["dense_1/kernel"], model(source)["dense_1/kernel"])


def test_weights_of_another_program(tmp_path):
    from safetensors.numpy import save_file

    file = tmp_path / "theirs.safetensors"
    save_file({"dense_1/kernel": np.full((1, 1), 3, np.float32)}, file)
    heard = Heard()
    overrides = (f"initialize_from={file}", "optimizer.learning_rate=0", EPOCH)
    run = start(tmp_path, LINE, *overrides, listener=heard).run
    assert model(run)["dense_1/kernel"].item() == 3
    assert any("dense_1/bias is not in the file" in note for note in heard.notes)
    save_file({"dense_1/kernel": np.full((2, 1), 3, np.float32)}, file)
    with pytest.raises(CheckpointError, match=r"don't fit.*\(2, 1\) in the file, \(1, 1\) here"):
        start(tmp_path, LINE, *overrides)


def test_a_source_that_is_missing_makes_no_run(tmp_path):
    with pytest.raises(UsageError, match="there is no run 'nobody-1'"):
        start(tmp_path, LINE, "initialize_from=nobody-1")
    with pytest.raises(CheckpointError, match="there is no file"):
        start(tmp_path, LINE, "initialize_from=gone.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_network_without_anything_to_train_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="nothing in this network can be trained"):
        start(tmp_path, LINE, "model.layers[0].trainable=false")


def test_the_best_weights_are_kept_for_use(tmp_path):
    """A rate that grows too large: the best epoch is the first one, and that is what is evaluated."""
    early = "training.early_stopping={monitor: validation/loss, patience: 2, restore_best_weights: true}"
    worse = ("data.split={validation: 20, test: 20}", "optimizer.learning_rate=1.1", "training.epochs=9", early)
    finished = start(tmp_path, LINE, *worse, "training.checkpoints.best=null")
    assert finished.ending.reason == "early_stopping"
    best = finished.state.best_epoch
    assert best is not None
    assert len(rows_of(finished.run)) == best + 2
    evaluation = evaluate_run(finished.run, "validation", None)
    assert evaluation.checkpoint == "best"
    assert evaluation.metrics["loss"] == rows_of(finished.run)[best - 1]["validation/loss"]
    go_on(finished.run, "training.early_stopping=null")
    assert len(rows_of(finished.run)) == 9


def test_early_stopping_may_begin_late(tmp_path):
    early = "training.early_stopping={monitor: train/loss, patience: 1, min_delta: 100, start_from_epoch: 3}"
    finished = start(tmp_path, LINE, early, "training.epochs=9")
    assert len(rows_of(finished.run)) == 5


def test_the_rate_falls_on_a_plateau(tmp_path):
    plateau = "schedule={type: reduce_on_plateau, monitor: train/loss, patience: 1, min_delta: 100, factor: 0.5}"
    rates = [row["learning_rate"] for row in rows_of(start(tmp_path, LINE, plateau, "training.epochs=4").run)]
    assert rates == [0.1, 0.1, 0.05, 0.025]


def test_validation_is_measured_in_the_epochs_that_are_due(tmp_path):
    overrides = ("training.validate_every=2", "training.epochs=5", "data.split.validation=20")
    rows = rows_of(start(tmp_path, LINE, *overrides).run)
    assert [row.get("validation/loss") is not None for row in rows] == [False, True, False, True, True]


def test_max_time_ends_a_run_of_short_epochs(tmp_path):
    finished = start(tmp_path, LINE, "training.epochs=1000000", "training.max_time=0.2")
    assert finished.ending.reason == "max_time"
    assert read_record(finished.run.record).status == "stopped"
    assert 0.2 <= finished.state.train_seconds < 2


def test_numbered_checkpoints_and_no_last(tmp_path):
    overrides = ("training.epochs=5", "training.checkpoints={every: 2, last: false, best: null}")
    run = start(tmp_path, LINE, *overrides).run
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [
        "epoch-0002.safetensors",
        "epoch-0004.safetensors",
    ]
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        evaluate_run(run, "train", None)


def test_sample_weights_weigh(tmp_path):
    """Rows of weight 0 change nothing, so the line is found through the others alone."""
    rows = ["x,y,w", *(f"{x / 10},{x / 5 + 1},1" for x in range(-10, 11)), *(f"{x / 10},50,0" for x in range(-10, 11))]
    table = tmp_path / "weighted.csv"
    table.write_text("\n".join(rows) + "\n")
    data = (f"data.source={{type: csv, path: {table}}}", "data.sample_weights=w", "data.cache=memory")
    run = start(tmp_path, LINE, *data, "training.epochs=300").run
    assert model(run)["dense_1/kernel"].item() == pytest.approx(2, abs=1e-3)
    assert model(run)["dense_1/bias"].item() == pytest.approx(1, abs=1e-3)


def test_several_inputs_and_real_units(tmp_path):
    """Metrics and predictions are in the data's own units, whatever the target is transformed to."""
    random = np.random.default_rng(0)
    rows = ["size,age,city,price"]
    for size, age, city in zip(random.uniform(50, 150, 90), random.uniform(0, 50, 90), "abc" * 30, strict=True):
        rows.append(f"{size:.1f},{age:.1f},{city},{1000 * size - 500 * age + 9000 * 'abc'.index(city) + 100000:.0f}")
    table = tmp_path / "houses.csv"
    table.write_text("\n".join(rows) + "\n")
    overrides = (
        f"data.source={{type: csv, path: {table}}}", "data.cache=memory",
        "data.inputs={numbers: {columns: [size, age], transforms: [standardize]}, "
        "city: {columns: [city], transforms: [one_hot]}}",
        "data.target={column: price, transforms: [standardize]}", "data.split={test: 20}",
        "model.layers=[{type: concatenate, inputs: [numbers, city]}, {type: dense, units: 1}]",
        "metrics=[rmse, r2]", "training.epochs=200",
    )  # fmt: skip
    run = start(tmp_path, LINE, *overrides).run
    evaluation = evaluate_run(run, "test", None)
    assert evaluation.metrics["r2"] > 0.999
    predicted = predict_rows(run, None, [table])
    prices = np.array([float(line.rsplit(",", 1)[1]) for line in rows[1:]])
    values = np.array([row["prediction"] for row in predicted])
    assert np.abs(values - prices).max() < 2000
    everything = evaluate_run(run, "test", None, table)
    assert everything.split.rows == 90
    assert everything.metrics["rmse"] == pytest.approx(float(np.sqrt(np.mean((values - prices) ** 2))), rel=1e-4)


def test_an_autoencoder_learns_its_input(tmp_path):
    overrides = (
        "data.source=digits", "data.inputs={image: {}}", "data.target={input: image}", "data.limit=100",
        "model.layers=[flatten, {type: dense, units: 64, activation: sigmoid}, "
        "{type: reshape, target_shape: [8, 8, 1]}]",
        "optimizer={type: adam, learning_rate: 0.01}",
    )  # fmt: skip
    losses = [row["train/loss"] for row in rows_of(start(tmp_path, LINE, *overrides).run)]
    assert losses[-1] < 0.8 * losses[0]


def test_limit_takes_so_many_rows(tmp_path):
    finished = start(tmp_path, LINE, "data.limit=35", EPOCH)
    assert finished.state.step == 4


@pytest.mark.parametrize("rate", ["1e10", "1e38"])
def test_not_a_number_stops_the_run(tmp_path, rate):
    """A whole epoch is good; then the rate explodes: the layer is named, and the good checkpoint stays."""
    run = start(tmp_path, LINE, EPOCH).run
    kept = run.last.read_bytes()
    with pytest.raises(NonFiniteError, match=r"layer 'dense_1'|the loss") as caught:
        go_on(run, f"optimizer.learning_rate={rate}", "training.epochs=50")
    assert "learning_rate" in (caught.value.help or "")
    record = read_record(run.record)
    assert record.status == "failed"
    assert "dense_1" in (record.reason or "")
    assert run.last.read_bytes() == kept
    assert all(np.isfinite(tensor).all() for tensor in model(run).values())
