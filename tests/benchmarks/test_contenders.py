"""Every contender builds the same network: as many parameters, the same outputs before and after training steps."""

import warnings

import numpy as np
import pytest

from benchmarks.contender import CONTENDERS, Job, cache_environment, contender_class
from benchmarks.network import Network
from benchmarks.reading import network_of, read_config
from tests.benchmarks.networks import CONFIGS, NETWORKS, ROWS, write
from tests.repository.documents import ROOT

PEERS = ("jax", "keras")


def made(name, job):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that are only guests here
        try:
            return contender_class(name)(job)
        except ImportError as error:
            pytest.skip(f"{name} needs {error.name}, which is not installed")


def run(name, network, path, task="train", steps=2, config=""):
    """Return the probabilities at the start and after some steps (for an evaluation, its mean loss and accuracy)."""
    contender = made(name, Job(str(config), network.text(), str(path), ROWS, 1, task))
    assert contender.parameters() == network.parameters()
    start = contender.probabilities(ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if task == "evaluate":
            return start, np.array(contender.evaluate(steps))
        contender.run(steps)
        return start, contender.probabilities(ROWS)


@pytest.mark.parametrize("task", ["train", "evaluate"])
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_peers_compute_what_pytorch_computes(network, peer, task, tmp_path):
    write(NETWORKS[network], tmp_path / "rows.npz")
    found = run(peer, NETWORKS[network], tmp_path / "rows.npz", task)
    wanted = run("pytorch", NETWORKS[network], tmp_path / "rows.npz", task)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-6)
    np.testing.assert_allclose(found[1], wanted[1], atol=3e-4)
    if task == "train":
        assert np.abs(wanted[1] - wanted[0]).max() > 1e-3


@pytest.mark.parametrize("task", ["train", "evaluate"])
@pytest.mark.parametrize("name", CONFIGS)
def test_dlrun_computes_what_pytorch_computes(name, task, tmp_path, monkeypatch):
    monkeypatch.setattr("dlrun.training.session.EVALUATION_BATCH", ROWS)
    config = tmp_path / "config.yaml"
    config.write_text(CONFIGS[name], encoding="utf-8")
    network = network_of(read_config(config).config)
    write(network, tmp_path / "rows.npz")
    found = run("dlrun", network, tmp_path / "rows.npz", task, config=config)
    wanted = run("pytorch", network, tmp_path / "rows.npz", task)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-6)
    np.testing.assert_allclose(found[1], wanted[1], atol=3e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_survive_the_way_to_another_process(network):
    assert Network.parse(NETWORKS[network].text()) == NETWORKS[network]


def test_jobs_survive_it_too():
    job = Job("config", "network", "data", 32, 2, "evaluate", 4)
    assert Job.parse(job.text()) == job


def test_every_name_stands_for_a_class():
    for place in CONTENDERS.values():
        module, _, kind = place.partition(":")
        assert f"class {kind}(" in (ROOT / "benchmarks" / "contenders" / f"{module}.py").read_text(encoding="utf-8")
    assert cache_environment("dlrun", "here") == {"DLRUN_CACHE": "here"}
    assert cache_environment("keras", "here") == {}
