"""Whole configs: what a RunConfig takes, and where its mistakes are shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dlrun.config.load import LoadedConfig, load_config, load_text
from dlrun.config.problems import LocatedConfigError
from dlrun.config.training_config import BestCheckpoint, EarlyStopping
from dlrun.errors import Problem
from dlrun.losses.cross_entropy import CrossEntropy

BASE = """\
data: {source: mnist, split: {validation: 0.1}, inputs: {image: {}}}
model:
  layers:
    - flatten
    - {type: dense, name: hidden, units: 8, activation: relu}
    - {type: dense, units: 10}
loss: cross_entropy
optimizer: {type: sgd, lr: 1e-2}
metrics: [accuracy]
"""


def load(*overrides: str, text: str = BASE) -> LoadedConfig:
    return load_text(text, "c.yaml", overrides)


def report(*overrides: str, text: str = BASE) -> list[str]:
    with pytest.raises(LocatedConfigError) as caught:
        load(*overrides, text=text)
    return caught.value.render().splitlines()


def errors(*overrides: str, text: str = BASE) -> list[str]:
    return [line for line in report(*overrides, text=text) if ": error: " in line]


def test_a_file_and_its_defaults(tmp_path: Path) -> None:
    file = tmp_path / "my first run!.yaml"
    file.write_text(BASE)
    loaded = load_config(file)
    assert loaded.text == BASE.encode()
    assert loaded.layer_paths == (("model", "layers", 0), ("model", "layers", 1), ("model", "layers", 2))
    config = loaded.config
    assert (config.name, config.seed, config.precision) == ("my_first_run_", 0, "float32")
    assert config.schedule.type == "constant"
    assert config.training.checkpoints.best == BestCheckpoint()
    assert config.optimizer.learning_rate == 0.01
    assert [metric.type for metric in config.metrics] == ["accuracy"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.yaml", "a"), ("x/.hidden.yaml", "hidden"), ("ä.yaml", "run"), ("a b/c d.v2.yml", "c_d.v2"), ("-.yaml", "run")],
)
def test_names_of_runs(name: str, expected: str) -> None:
    assert load_text(BASE, name).config.name == expected


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        ("45s", 45.0),
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("'1h 30m 10s'", 5410.0),
        ("0.5h", 1800.0),
    ],
)
def test_times(value: str, seconds: float) -> None:
    assert load(f"training.max_time={value}").config.training.max_time == seconds


def test_shorthands() -> None:
    config = load("initialize_from=latest", "training.batch_size=full", "training.early_stopping={patience: 3}").config
    assert config.initialize_from is not None
    assert config.initialize_from.path == "latest"
    assert config.training.batch_size == "full"
    assert config.training.early_stopping == EarlyStopping(patience=3)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=-1", "seed must be at least 0, got -1"),
        ("seed=9223372036854775808", "seed must be less than 9223372036854775808, got 9223372036854775808"),
        ("precision=float16", "precision must be 'float32' or 'float64', got 'float16'"),
        ("name=a/b", "name: 'a/b' can't name a folder: letters, digits, '.', '_' and '-' can, at most 100"),
        ("name=..", "name: '..' can't name a folder: letters, digits, '.', '_' and '-' can, at most 100"),
        ("training.epochs=0", "training.epochs must be greater than 0, got 0"),
        ("training.epochs=1.0", "training.epochs: expected an integer, got the number 1.0"),
        ("training.batch_size=all", "training.batch_size must be 'full' or an integer, got 'all'"),
        ("training.batch_size=0", "training.batch_size must be greater than 0, got 0"),
        ("training.threads=0", "training.threads must be greater than 0, got 0"),
        ("training.threads=many", "training.threads must be 'auto' or an integer, got 'many'"),
        ("training.max_time=10 minutes",
         "training.max_time: '10 minutes' is no length of time; write seconds, or 45s, 10m, 1h30m"),
        ("training.max_time=0s", "training.max_time must be greater than 0, got 0s"),
        ("training.max_time=true", "training.max_time: expected a number, got true"),
        ("training.shuffle=yes", "training.shuffle: expected true or false, got the string 'yes'"),
        ("training.early_stopping.patience=-1", "training.early_stopping.patience must be at least 0, got -1"),
        ("training.early_stopping.monitor=loss",
         "training.early_stopping.monitor: nothing is measured under the name 'loss'"),
        ("training.early_stopping.monitor=validation/acuracy",
         "training.early_stopping.monitor: nothing is measured under the name 'validation/acuracy'"),
        ("training.checkpoints.best.monitor=train/f1",
         "training.checkpoints.best.monitor: nothing is measured under the name 'train/f1'"),
        ("training.checkpoints.every=0", "training.checkpoints.every must be greater than 0, got 0"),
        ("model.layers=[]", "model.layers must have at least 1 item, got 0"),
        ("model.layers[2].name=hidden", "model.layers[2]: another layer is named 'hidden'"),
        ("model.layers[2].name=image", "model.layers[2]: an input of the data is named 'image'"),
        ("model.layers[2].inputs=[hiden]",
         "model.layers[2].inputs[0]: no layer and no input of the data is named 'hiden'"),
        ("model.layers[0].inputs=[hidden]",
         "model.layers[0].inputs[0]: the layer 'hidden' doesn't come before this one"),
        ("model.layers[1].inputs=[hidden]",
         "model.layers[1].inputs[0]: the layer 'hidden' doesn't come before this one"),
        ("model.layers[2].inputs=hidden", "model.layers[2].inputs: expected a list, got the string 'hidden'"),
        ("initialize_from={path: x, freeze: [hiddn]}", "initialize_from.freeze[0]: no layer is named 'hiddn'"),
        ("initialize_from={freeze: []}", "initialize_from needs 'path'"),
        ("metrics=[accuracy, accuracy]", "metrics[1]: metrics[0] is reported as 'accuracy' too"),
        ("metrics=[{type: accuracy, name: loss}]", "metrics[0]: the loss is reported as 'loss' too"),
        ("metrics=accuracy", "metrics: expected a list or a mapping, got the string 'accuracy'"),
        ("loss=null", "loss: expected a loss, got null"),
        ("schedule=cosin", "unknown schedule 'cosin'"),
    ],
)  # fmt: skip
def test_mistakes(override: str, message: str) -> None:
    lines = errors(override)
    assert [line.partition(": error: ")[2] for line in lines] == [message]
    assert lines[0].startswith("override:1:")


def test_monitoring_needs_validation_rows() -> None:
    lines = report("data.split={}", "training.early_stopping={patience: 3}")
    assert lines == [
        "override:1:25: error: training.early_stopping.monitor is 'validation/loss', but there are no validation rows",
        "  1 | training.early_stopping={patience: 3}",
        "    |                         ^^^^^^^^^^^^^",
        "  help: set data.split.validation, or monitor 'train/loss'",
        "1 problem in c.yaml",
    ]
    assert load("data.split={}", "training.early_stopping.monitor=train/accuracy")
    assert load("data.split={type: given}", "training.early_stopping={patience: 3}")


def test_monitors_that_exist() -> None:
    for monitor in (
        "train/loss",
        "validation/loss",
        "train/accuracy",
        "validation/accuracy",
        "validation/accuracy/cat",
    ):
        assert load(f"training.early_stopping.monitor={monitor}")
    assert load("metrics[0].name=acc", "training.early_stopping.monitor=validation/acc")


def test_automatic_names_can_be_used() -> None:
    assert load("model.layers[2].inputs=[flatten_1]").config.model.layers[2].inputs == ("flatten_1",)
    assert load("initialize_from={path: x, freeze: [dense_1, hidden]}")


def test_inputs_are_left_to_the_data_where_the_config_does_not_name_them() -> None:
    assert load("data={source: mnist}", "model.layers[0].inputs=[picture]")
    assert len(errors("data={source: mnist}", "model.layers[0].inputs=[hidden]")) == 1


def test_ten_mistakes_are_ten_problems() -> None:
    text = """\
name: two words
seed: "0"
data:
  source: {type: csv, pth: a.csv}
  split: {validation: -0.1}
model:
  layers:
    - flaten
    - {type: dense, name: a, units: -5, activation: relu}
    - {type: dense, units: 3, activaton: relu}
    - {type: dense, name: a, units: 3}
    - {type: dense}
loss: cross_entropyy
optimizer: {type: sgd, learning_rate: fast}
training:
  epochs: 10
  epochs: 20
  early_stopping: {monitor: validation/acc}
"""
    assert report("training.batch_size=0", text=text) == [
        "c.yaml:1:7: error: name: 'two words' can't name a folder: letters, digits, '.', '_' and '-' can, at most 100",
        "  1 | name: two words",
        "    |       ^^^^^^^^^",
        "  help: 'name': what the run's folder is named after; the file's name when left out",
        "c.yaml:2:7: error: seed: expected an integer, got the string '0'",
        '  2 | seed: "0"',
        "    |       ^^^",
        "  help: 'seed': what all random numbers are drawn from: the same seed gives the same weights, to the bit",
        "c.yaml:4:23: error: unknown field 'pth' of csv",
        "  4 |   source: {type: csv, pth: a.csv}",
        "    |                       ^^^",
        "  help: did you mean 'path'? one of: delimiter, encoding, header, missing, names, path, quote",
        "c.yaml:5:23: error: data.split.validation must be at least 0, got -0.1",
        "  5 |   split: {validation: -0.1}",
        "    |                       ^^^^",
        "  help: 'validation' is the rows that watch over training: a fraction below 1 of the training rows, "
        "or a number of rows",
        "c.yaml:8:7: error: unknown layer 'flaten'",
        "  8 |     - flaten",
        "    |       ^^^^^^",
        *[line for line in report("training.batch_size=0", text=text) if "did you mean 'flatten'" in line],
        "c.yaml:9:37: error: model.layers[1].units must be greater than 0, got -5",
        "  9 |     - {type: dense, name: a, units: -5, activation: relu}",
        "    |                                     ^^",
        "  help: 'units' is the number of output features",
        "c.yaml:10:31: error: unknown field 'activaton' of dense",
        "  10 |     - {type: dense, units: 3, activaton: relu}",
        "     |                               ^^^^^^^^^",
        *[line for line in report("training.batch_size=0", text=text) if "did you mean 'activation'" in line],
        "c.yaml:11:27: error: model.layers[3]: another layer is named 'a'",
        "  11 |     - {type: dense, name: a, units: 3}",
        "     |                           ^",
        "  help: it is model.layers[1]",
        "c.yaml:12:7: error: dense needs 'units'",
        "  12 |     - {type: dense}",
        "     |       ^^^^^^^^^^^^^",
        "  help: 'units' is the number of output features",
        "c.yaml:13:7: error: unknown loss 'cross_entropyy'",
        "  13 | loss: cross_entropyy",
        "     |       ^^^^^^^^^^^^^^",
        *[line for line in report("training.batch_size=0", text=text) if "did you mean 'cross_entropy'" in line],
        "c.yaml:14:39: error: optimizer.learning_rate: expected a number, got the string 'fast'",
        "  14 | optimizer: {type: sgd, learning_rate: fast}",
        "     |                                       ^^^^",
        "  help: 'learning_rate' is the size of a step, before the schedule's factor",
        "c.yaml:17:3: error: duplicate key 'epochs'",
        "  17 |   epochs: 20",
        "     |   ^^^^^^",
        "  help: it stands in line 16 already",
        "c.yaml:18:29: error: training.early_stopping.monitor: nothing is measured under the name 'validation/acc'",
        "  18 |   early_stopping: {monitor: validation/acc}",
        "     |                             ^^^^^^^^^^^^^^",
        "  help: did you mean 'validation/loss'? one of: train/loss, validation/loss",
        "override:1:21: error: training.batch_size must be greater than 0, got 0",
        "  1 | training.batch_size=0",
        "    |                     ^",
        "  help: 'batch_size' is the number of rows in a step; 'full' takes them all, which is batch gradient descent",
        "14 problems in c.yaml",
    ]


def test_later_problems_are_located_too() -> None:
    loaded = load()
    error = loaded.error([Problem(("model", "layers", 1, "units"), "too many"), Problem(("model", "layers", 0), "no")])
    assert error.render().splitlines() == [
        "c.yaml:4:7: error: no",
        "  4 |     - flatten",
        "    |       ^^^^^^^",
        "c.yaml:5:42: error: too many",
        "  5 |     - {type: dense, name: hidden, units: 8, activation: relu}",
        "    |                                          ^",
        "2 problems in c.yaml",
    ]
    assert error.exit_code == 2


def test_extended_files_keep_their_places(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE.replace("units: 8", "units: -8"))
    (tmp_path / "main.yaml").write_text("extends: base.yaml\noptimizer: {learning_rate: -1}\n")
    with pytest.raises(LocatedConfigError) as caught:
        load_config(tmp_path / "main.yaml", ["model.layers[2].units=0"])
    assert [str(one.span) for one in caught.value.located] == [
        f"{tmp_path}/main.yaml:2:28",
        f"{tmp_path}/base.yaml:5:42",
        "override:1:23",
    ]
    assert caught.value.render().endswith(f"\n3 problems in {tmp_path}/main.yaml")


def test_the_file_wins_over_its_base_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "main.yaml").write_text("extends: base.yaml\noptimizer: {learning_rate: 0.5}\n")
    loaded = load_config(tmp_path / "main.yaml")
    assert loaded.config.optimizer.learning_rate == 0.5
    assert loaded.config.name == "main"
    assert load_config(tmp_path / "main.yaml", ["optimizer.lr=2"]).config.optimizer.learning_rate == 2.0


def test_loading_takes_no_heavy_library() -> None:
    heavy = ("numba", "llvmlite", "polars", "PIL", "sklearn", "matplotlib", "torch", "rich.console")
    code = (
        "import sys; from dlrun.config.load import load_text; load_text(sys.argv[1])\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, BASE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("given", "wanted"), [("[1, 2.5]", (1.0, 2.5)), ("[]", ()), ("balanced", "balanced")])
def test_class_weights_in_each_spelling(given: str, wanted: object) -> None:
    """Alternatives within alternatives: a list is told from a name, beside null."""
    loss = load(f"loss={{type: cross_entropy, class_weights: {given}}}").config.loss
    assert isinstance(loss, CrossEntropy)
    assert loss.class_weights == wanted
