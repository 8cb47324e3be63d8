"""The contract: the same weights, bit for bit, on any number of threads, for every layer and every optimizer."""

import numpy as np
import pytest

from dlrun.layers import LAYERS
from dlrun.optimizers import OPTIMIZERS
from tests.support.cases import MORE, Case, case_of
from tests.support.training import Training, differing

THREADS = 1, 2, 3, 4
PENALISED = {"kernel_regularizer": "l2", "kernel_constraint": "unit_norm"}
NETWORK = Case(
    (6, 6, 2),
    (
        {"type": "conv2d", "filters": 10, "kernel_size": 3, "activation": "relu"},
        {"type": "flatten"},
        {"type": "dense", "units": 33, "activation": "tanh", **PENALISED},
        {"type": "dense", "units": 3},
    ),
)
OPTIONS = {
    "plain": {},
    "decayed and averaged": {"weight_decay": 0.01, "use_ema": True, "clipvalue": 0.001},
    "clipped": {"clipnorm": 0.01},
    "clipped and accumulated": {"global_clipnorm": 0.01, "gradient_accumulation_steps": 2},
}


def expect_equal_bits(case, **options):
    kept = [Training(case.layers, case.data, threads, **options).run() for threads in THREADS]
    assert all(np.isfinite(array).all() for array in kept[0].values())
    for threads, other in zip(THREADS[1:], kept[1:], strict=True):
        assert not differing(kept[0], other), f"not as on one thread: {threads} threads"


@pytest.mark.parametrize("layer", LAYERS.names)
def test_layers_train_to_the_same_bits(layer):
    expect_equal_bits(case_of(layer))


@pytest.mark.parametrize("network", MORE)
def test_networks_train_to_the_same_bits(network):
    expect_equal_bits(MORE[network])


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.names)
def test_optimizers_train_to_the_same_bits(optimizer, options):
    expect_equal_bits(NETWORK, optimizer=optimizer, **OPTIONS[options])


def test_training_moves_the_weights():
    """Or the tests above would compare what nothing changed."""
    for case in (NETWORK, *MORE.values()):
        training = Training(case.layers, case.data)
        assert differing(training.run(1), training.run(1))
