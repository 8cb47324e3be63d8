"""The resolved config, and differences between configs."""

from __future__ import annotations

import random

import pytest
import yaml

from dlrun.config.diff import config_diff, diff_text
from dlrun.config.load import load_text
from dlrun.config.repeat import Repeat
from dlrun.config.resolve import resolved_yaml
from dlrun.config.run_config import InitializeFrom, ModelConfig, RunConfig
from dlrun.config.training_config import TrainingConfig
from dlrun.data.config import DataConfig
from dlrun.data.sources import SOURCES
from dlrun.layers import LAYERS
from dlrun.layers.base import Layer
from dlrun.losses import LOSSES
from dlrun.metrics import METRICS
from dlrun.optimizers import OPTIMIZERS
from dlrun.schedules import SCHEDULES
from dlrun.tracking import TRACKERS
from tests.config.random_specs import random_component, random_spec, random_value
from tests.config.test_load import BASE, load


def random_config(rng: random.Random) -> RunConfig:
    """A valid config of random components."""
    layers = [LAYERS["flatten"].model_validate({"name": "first"})]
    for _ in range(rng.randint(1, 4)):
        layer = random_component(LAYERS, rng)
        assert isinstance(layer, Layer)
        layers.append(layer.model_copy(update=dict.fromkeys(layer.references, "first")))
    metrics = {metric.type: metric for metric in (random_component(METRICS, rng) for _ in range(3))}
    parts = {
        "name": rng.choice(["a", "run-1", "no"]),
        "seed": rng.choice([0, 2**62]),
        "precision": rng.choice(["float32", "float64"]),
        "data": random_spec(DataConfig, rng).model_copy(update={"source": random_component(SOURCES, rng)}),
        "model": ModelConfig(layers=tuple(layers)),
        "loss": random_component(LOSSES, rng),
        "optimizer": random_component(OPTIMIZERS, rng),
        "schedule": random_component(SCHEDULES, rng),
        "metrics": tuple(metrics.values()),
        "training": random_spec(TrainingConfig, rng).model_copy(update={"early_stopping": None}),
        "tracking": rng.choice([None, random_component(TRACKERS, rng)]),
        "initialize_from": random_value(InitializeFrom | None, rng),
    }
    return RunConfig.model_validate(parts, strict=True)


@pytest.mark.parametrize("seed", range(150))
def test_the_resolved_config_loads_to_an_equal_one(seed: int) -> None:
    config = random_config(random.Random(seed))
    text = resolved_yaml(config)
    loaded = load_text(text, "other.yaml").config
    assert loaded == config, text
    assert resolved_yaml(loaded) == text
    assert config_diff(config, loaded) == []


def test_as_it_looks() -> None:
    overrides = [
        "model.layers[1].name=null",
        "schedule={type: constant}",
        "training.checkpoints={best: null, every: 2}",
    ]
    text = resolved_yaml(load(*overrides).config)
    for line in (
        "name: c",
        "  source: mnist",
        "  inputs: {image: {}}",
        "    - {type: flatten, trainable: true}",
        "      kernel_initializer: glorot_uniform",
        "  checkpoints: {last: true, best: null, every: 2}",
        "  batch_size: 32",
        "  threads: auto",
    ):
        assert line in text.splitlines()
    assert max(map(len, text.splitlines())) <= 100


def test_other_parsers_read_the_same() -> None:
    """PyYAML reads YAML 1.1: floats and strings are written so that it agrees."""
    found = yaml.safe_load(
        resolved_yaml(load("optimizer.learning_rate=1e-7", "name='no'", "training.max_time=1e10").config)
    )
    assert found["optimizer"]["learning_rate"] == 1e-7
    assert found["name"] == "no"
    assert found["training"]["max_time"] == 1e10


def test_repeats_are_written_out() -> None:
    block = "{type: repeat, times: 2, layers: [{type: dense, name: a, units: 4}]}"
    config = load(f"model.layers[1]={block}").config
    assert not any(isinstance(layer, Repeat) for layer in config.model.layers)
    text = resolved_yaml(config)
    assert "repeat" not in text
    assert load_text(text).config == config


def test_differences() -> None:
    new = load(
        "optimizer.learning_rate=3e-4", "training.epochs=20", "schedule=cosine", "metrics=[]",
        "training.batch_size=full", "model.layers[2].units=5", "data.split.validation=0.2",
    ).config  # fmt: skip
    changes = config_diff(load().config, new)
    assert [change.path for change in changes] == [
        ("data", "split", "validation"), ("model", "layers", 2, "units"), ("optimizer", "learning_rate"),
        ("schedule",), ("metrics", 0), ("training", "epochs"), ("training", "batch_size"),
    ]  # fmt: skip
    lines = diff_text(changes).splitlines()
    assert lines[1] == "model.layers[2].units: 10 → 5"
    assert lines[2] == "optimizer.learning_rate: 0.01 → 0.0003"
    assert lines[3].startswith("schedule: {type: constant, ")
    assert "→ {type: cosine, " in lines[3]
    assert lines[4].endswith("→ (absent)")
    assert lines[6] == "training.batch_size: 32 → full"


def test_a_config_does_not_differ_from_itself() -> None:
    assert config_diff(load().config, load_text(BASE, "c.yaml").config) == []
