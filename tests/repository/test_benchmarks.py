"""The benchmarks' own parts: the networks they read, the batches they draw, the page they write. Nothing is timed."""

import json

import numpy as np
import pytest

from benchmarks.__main__ import CONFIGS
from benchmarks.contender import CACHE_VARIABLES, CONTENDERS, Job
from benchmarks.contenders.dlrun_itself import Dlrun
from benchmarks.data import Batches, read_images, write_images
from benchmarks.measure import Comparison, Figures
from benchmarks.network import Adam, Convolution, Dense, Flatten, MaxPool, Network, Unsupported, network_of, read_config
from benchmarks.report import Sitting, as_json, page
from benchmarks.results import TARGETS
from tests.repository.documents import ROOT


def test_networks_are_read_from_their_configs():
    parts = (Convolution(32, 3, "valid"), MaxPool(2), Flatten(), Dense(128, True), Dense(10, False))
    assert network_of(read_config(ROOT / "configs/mnist_cnn.yaml").config) == Network(parts, Adam(1e-3))
    for config in CONFIGS:
        network_of(read_config(ROOT / config).config)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.layers[0].strides=2", "settings that are not compared"),
        ("model.layers[3].use_bias=false", "settings that are not compared"),
        ("model.layers[1]=average_pool2d", "average_pool2d is not among"),
        ("optimizer.amsgrad=true", "only plain sgd and adam"),
        ("optimizer=lion", "only plain sgd and adam"),
    ],
)
def test_what_the_contenders_would_build_differently_is_refused(override, message):
    with pytest.raises(Unsupported, match=message):
        network_of(read_config(ROOT / "configs/mnist_cnn.yaml", [override]).config)


def test_batches_go_through_all_rows_before_any_comes_again():
    batches = Batches(rows=10, batch=3)
    seen = np.concatenate([batches.next() for _ in range(3)])
    assert len(set(seen.tolist())) == 9


def test_dlrun_trains_on_the_file_that_all_contenders_read(tmp_path):
    config = str(ROOT / "configs/digits.yaml")
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", image=images, label=np.arange(50) % 10)
    data = read_images(tmp_path / "images.npz")
    assert (data.rows, data.classes, data.images.max() <= 1) == (50, 10, True)
    contender = Dlrun(Job(config, str(tmp_path / "images.npz"), batch=8, threads=1))
    contender.run(15)
    assert contender.step == 15


def test_missing_data_become_random_images_of_their_shape(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.data.load", _nothing)
    what = write_images(read_config(ROOT / "configs/cifar_cnn.yaml").config, 20, tmp_path / "images.npz")
    assert what == "20 rows of random images (not there)"
    assert read_images(tmp_path / "images.npz").images.shape == (20, 32, 32, 3)


def _nothing(*_):
    from dlrun.errors import DataError

    raise DataError("not there")


def test_the_page_says_where_dlrun_is_behind():
    figures = [
        Figures("dlrun", "1", None, [100.0, 120.0, 110.0], 10**8, 9.0, 1.0),
        Figures("jax", "2", None, [220.0], 10**8, 3.0, 2.0),
        Figures("keras", skipped="not there"),
    ]
    machine = {"date": "today", "cpu": "A", "cores": 2, "system": "B", "load before": None, "versions": {"numpy": "2"}}
    sitting = Sitting(machine, {2: 1e11}, [Comparison("configs/a.yaml", 32, 2, "rows", 1e6, 1e11, figures)])
    text = page("command", "Busy.", sitting)
    assert "- a, batch 32: jax trains 2.00 times as fast.\n" in text
    assert "- a, batch 32: jax starts sooner, cold (3.0 s to 9.0 s).\n" in text
    assert "warm (" not in text
    assert "Left out: keras (not there)." in text
    assert json.loads(as_json(sitting))["comparisons"][0]["flops_per_sample"] == 1e6


def test_every_name_stands_for_something():
    for place in CONTENDERS.values():
        module, _, kind = place.partition(":")
        assert f"class {kind}(" in (ROOT / "benchmarks" / "contenders" / f"{module}.py").read_text(encoding="utf-8")
    assert set(CACHE_VARIABLES) <= set(CONTENDERS)
    assert set(TARGETS) <= {path.stem for path in (ROOT / "configs").glob("*.yaml")}
