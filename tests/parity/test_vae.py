"""A variational autoencoder ends where PyTorch's does from the same start, though each draws its own codes.

The shipped config at full size is compared by `python -m benchmarks.vae`.
"""

import pytest

pytest.importorskip("torch", reason="PyTorch is what training is compared with")
pytest.importorskip("sklearn", reason="needs scikit-learn (the extra sklearn)")

import torch

from benchmarks.vae import CONFIG, compare
from dlrun.config.load import load_config

torch.set_num_threads(1)
SMALL = (
    "data.source=digits", "data.split={validation: 0.1, test: 0.2}", "model.layers.encoder.units=32",
    "model.layers.mean.units=4", "model.layers.log_variance.units=4", "model.layers.decoder.units=32",
    "model.layers.pixels.units=64", "model.layers[7].target_shape=[8, 8, 1]", "optimizer.learning_rate=0.003",
    "training.batch_size=64", "training.epochs=12", "training.threads=2",
)  # fmt: skip
"""Eight times eight pixels, whose bound falls from some 45 nats to 26."""


def test_the_bound_is_that_of_pytorch(tmp_path, monkeypatch):
    monkeypatch.setattr("dlrun.training.recording.draw_curves", lambda *arguments: None)
    found = compare(load_config(CONFIG, SMALL), tmp_path)
    assert found.evaluated == pytest.approx(found.dlrun.at_means, rel=1e-5)
    assert found.start.bound - found.dlrun.bound > 10
    assert found.dlrun.bound == pytest.approx(found.pytorch.bound, abs=0.5)
