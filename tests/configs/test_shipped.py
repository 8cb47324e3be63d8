"""The shipped configs: each is valid, compiles, and the small ones reach what their first lines say."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.pca import measure
from dlrun.config.document import parse_file
from dlrun.config.load import load_config
from dlrun.config.node import plain
from dlrun.config.source import Source
from dlrun.data.load import load
from dlrun.errors import DataError, MissingExtra
from dlrun.runs.checkpoint import load_checkpoint
from dlrun.training.evaluation import evaluate_run
from dlrun.training.events import Listener
from dlrun.training.fit import compile_only
from dlrun.training.run import create_run, train

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
NAMES = [path.relative_to(ROOT / "configs").with_suffix("").as_posix() for path in CONFIGS]
WANTED = {
    "mnist_cnn", "mnist_mlp_sgd", "mnist_mlp_adam", "mnist_best", "fashion_cnn", "cifar_cnn", "linear_regression",
    "housing", "iris", "digits", "autoencoder_mnist", "text_cnn", "text_lstm", "text_attention", "spam", "news",
    "char_lstm", "char_gpt", "names", "titanic_targets", "ratings", "recommend", "forecast_linear", "forecast_lstm",
    "forecast_gru", "autoencoder_denoise", "vae_mnist",
}  # fmt: skip


def train_to_end(name, folder, overrides=()):
    loaded = load_config(ROOT / f"configs/{name}.yaml", overrides)
    return train(loaded, create_run(loaded, ["test"], folder), Listener())


def test_every_promised_config_is_there():
    assert set(NAMES) >= WANTED


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_it_names_the_schema_and_keeps_to_it(path):
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema (the extra test)")
    text = path.read_text()
    up = "../" * (len(path.relative_to(ROOT).parts) - 1)
    assert text.startswith(f"# yaml-language-server: $schema={up}dlrun.schema.json\n")
    assert text.splitlines()[1].startswith("# "), "a comment for the reader comes next"
    written = plain(parse_file(Source(path.name, text)).root)
    jsonschema.validate(written, json.loads((ROOT / "dlrun.schema.json").read_text()))


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_it_is_valid_and_compiles(path):
    loaded = load_config(path)
    try:
        graph, plan = compile_only(loaded)
    except (DataError, MissingExtra) as error:
        pytest.skip(f"its data are not here: {error.message}")
    assert plan.calls
    assert all(graph.nodes[name].output_shape for name in graph.outputs.values())


def test_linear_regression_agrees_with_least_squares(tmp_path):
    run = train_to_end("linear_regression", tmp_path).run
    config = load_config(ROOT / "configs/linear_regression.yaml").config
    rows = load(config.data, config.seed).splits["train"]
    x, y = np.asarray(rows.inputs["x"], np.float64), np.asarray(rows.targets["target"], np.float64).reshape(-1)
    slope, intercept = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    weights = load_checkpoint(run.last).tensors
    assert abs(weights["model/dense_1/kernel"].item() - slope) < 1e-3
    assert abs(weights["model/dense_1/bias"].item() - intercept) < 1e-3


@pytest.mark.parametrize(("name", "accuracy"), [("iris", 0.9), ("digits", 0.97)])
def test_small_classifiers_learn(name, accuracy, tmp_path):
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra sklearn)")
    run = train_to_end(name, tmp_path).run
    assert evaluate_run(run, "test", None).metrics["accuracy"] >= accuracy


def test_noise_is_removed_better_than_by_principal_components(tmp_path):
    """The config on digits of 8 x 8 pixels, through 10 numbers."""
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra sklearn)")
    overrides = (
        "data.source=digits", "data.split={validation: 0.1, test: 0.2}", "data.inputs.image.transforms[1].stddev=0.3",
        "model.layers.code.units=10", "model.layers[4].units=64", "model.layers[5].target_shape=[8, 8, 1]",
        "training.epochs=60", "training.threads=2",
    )  # fmt: skip
    run = train_to_end("autoencoder_denoise", tmp_path, overrides).run
    reached = evaluate_run(run, "test", None).metrics["loss"]
    linear = measure(load_config(ROOT / "configs/autoencoder_denoise.yaml", overrides))
    assert linear.components == 10
    assert linear.from_target < linear.from_input
    assert reached < 0.85 * linear.from_input
