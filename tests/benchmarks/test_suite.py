"""The suite's networks as they are read from their configs, their rows, and the order in which rows are taken."""

import numpy as np
import pytest

from benchmarks.data import read_dataset, write_rows
from benchmarks.network import Adam, Network, Sgd, chain, draw
from benchmarks.parts import (
    Convolution,
    Dense,
    Embedding,
    Flatten,
    LayerNorm,
    Lstm,
    MaxPool,
    Positions,
    TransformerBlock,
    Unsupported,
)
from benchmarks.reading import network_of, read_config
from benchmarks.results import TARGETS
from benchmarks.rows import Batches, Slices, read_rows
from benchmarks.suite import CASES, MAIN, cases
from dlrun.training.fit import validate
from tests.repository.documents import ROOT


def config_of(name, overrides=()):
    return read_config(ROOT / CASES[name].config, overrides).config


def test_networks_are_those_that_the_suite_says():
    parts = [Flatten(), Dense(128, True), Dense(64, True), Dense(10, False)]
    assert network_of(config_of("mlp")) == chain((28, 28, 1), parts, Sgd(0.01, 0.0))
    parts = [Convolution(32, 3), MaxPool(2), Flatten(), Dense(128, True), Dense(10, False)]
    assert network_of(config_of("mnist_cnn")) == chain((28, 28, 1), parts, Adam(1e-3))
    parts = [
        Convolution(32, 3, "same"), MaxPool(2), Convolution(64, 3, "same"), MaxPool(2), Flatten(), Dense(128, True),
        Dense(10, False),
    ]  # fmt: skip
    assert network_of(config_of("cifar_cnn")) == chain((24, 24, 3), parts, Sgd(0.01, 0.9))
    parts = [Embedding(1000, 64), Lstm(64), Dense(2, False)]
    assert network_of(config_of("lstm")) == chain((100,), parts, Adam(1e-3))


def test_the_transformer_is_gpts():
    block = TransformerBlock(4, 512, "gelu", 1e-5)
    parts = [Embedding(65, 128), Positions(), block, block, block, block, LayerNorm(1e-5), Dense(65, False)]
    network = network_of(config_of("transformer"))
    assert network == chain((64,), parts, Adam(1e-3))
    assert network.shapes()[-1] == (64, 65)
    assert config_of("transformer").training.batch_size == CASES["transformer"].batches[0] == 12


def test_the_resnet_is_deep():
    network = network_of(config_of("resnet"))
    kinds = [type(node.part).__name__ for node in network.nodes]
    assert (kinds.count("Convolution"), kinds.count("BatchNorm"), kinds.count("Add")) == (8, 8, 2)
    assert network.shapes()[-3:] == [(4, 4, 128), (128,), (10,)]
    assert [node.inputs for node in network.nodes if len(node.inputs) == 2] == [(13, 7), (28, 22)]
    assert config_of("resnet").training.batch_size == CASES["resnet"].batches[0] == 64


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("mnist_cnn", "model.layers[0].strides=2", "settings that are not compared"),
        ("mnist_cnn", "model.layers[3].use_bias=false", "settings that are not compared"),
        ("mnist_cnn", "model.layers[3].activation=softmax", "settings that are not compared"),
        ("mnist_cnn", "model.layers[1]=average_pool2d", "average_pool2d is not among"),
        ("mnist_cnn", "optimizer.amsgrad=true", "only plain sgd and adam"),
        ("mnist_cnn", "optimizer=lion", "only plain sgd and adam"),
        ("mnist_cnn", "loss.label_smoothing=0.1", "only plain cross_entropy"),
        ("mnist_cnn", "loss={digit: cross_entropy, even: mse}", "only networks of one target"),
        ("lstm", "model.layers[0].mask_zero=true", "settings that are not compared"),
        ("lstm", "model.layers[1].dropout=0.1", "settings that are not compared"),
    ],
)
def test_what_the_contenders_would_build_differently_is_refused(name, override, message):
    with pytest.raises(Unsupported, match=message):
        network_of(config_of(name, [override]))


@pytest.mark.parametrize("case", [case for case in CASES.values() if case.config.startswith("benchmarks")])
def test_configs_of_the_suite_can_be_trained(case):
    loaded = read_config(ROOT / case.config)
    validate(loaded)
    first = (ROOT / case.config).read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../dlrun.schema.json"


def test_another_config_is_a_case_with_its_own_batch():
    (case,) = cases(["configs/digits.yaml"])
    assert (case.name, case.batches) == ("digits", (config_batch("configs/digits.yaml"),))
    assert cases(None)[: len(MAIN)] == list(MAIN)
    with pytest.raises(ValueError, match="no network 'nothing': there are mlp, mnist_cnn"):
        cases(["nothing"])


def config_batch(path):
    return read_config(ROOT / path).config.training.batch_size


def test_all_read_the_same_rows(tmp_path):
    config = config_of("lstm", ["data.source.rows=30"])
    assert write_rows(config, 20, tmp_path / "rows.npz") == "20 rows of made-up rows"
    rows, dataset = read_rows(tmp_path / "rows.npz"), read_dataset(config, tmp_path / "rows.npz")
    split = dataset.splits["train"]
    assert (rows.inputs.shape, rows.inputs.dtype) == ((20, 100), np.int32)
    assert np.array_equal(rows.inputs, next(iter(split.inputs.values())))
    assert np.array_equal(rows.labels, split.targets["target"])


def test_images_stay_bytes_for_dlrun(tmp_path):
    config = config_of("cifar_cnn", ["data.source.rows=30"])
    write_rows(config, 20, tmp_path / "rows.npz")
    rows, dataset = read_rows(tmp_path / "rows.npz"), read_dataset(config, tmp_path / "rows.npz")
    images = dataset.splits["train"].inputs["image"]
    assert images.dtype == np.uint8
    np.testing.assert_allclose(rows.inputs, images / 255, rtol=1e-6)


def test_missing_data_become_random_images_of_their_shape(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.data.load", _nothing)
    what = write_rows(read_config(ROOT / "configs/cifar_cnn.yaml").config, 20, tmp_path / "rows.npz")
    assert what == "20 rows of random images (not there)"
    assert read_rows(tmp_path / "rows.npz").inputs.shape == (20, 32, 32, 3)


def _nothing(*_):
    from dlrun.errors import DataError

    raise DataError("not there")


def test_batches_go_through_all_rows_before_any_comes_again():
    batches = Batches(rows=10, batch=3)
    seen = np.concatenate([batches.next() for _ in range(3)])
    assert len(set(seen.tolist())) == 9


def test_slices_go_through_the_rows_in_order():
    slices = Slices(rows=10, batch=4)
    assert [slices.next() for _ in range(3)] == [slice(0, 4), slice(4, 8), slice(0, 4)]


def test_first_weights_have_their_shapes():
    network: Network = network_of(config_of("resnet"))
    for shapes, arrays in zip(network.weights(), draw(network), strict=True):
        assert {name: array.shape for name, array in arrays.items()} == shapes
    weights = draw(network)[1]
    assert [float(weights[name].mean()) for name in ("gamma", "beta", "moving_mean", "moving_variance")] == [1, 0, 0, 1]


def test_targets_are_of_shipped_configs():
    assert set(TARGETS) <= {path.stem for path in (ROOT / "configs").glob("*.yaml")}
