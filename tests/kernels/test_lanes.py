"""Vectors of any width: the same weights, bit for bit, and nothing written beyond what the plan asked for."""

import numpy as np
import pytest

from dlrun.errors import UsageError
from dlrun.executor import executor
from dlrun.executor.memory import PAGE
from dlrun.kernels import tile
from dlrun.kernels.chunks import combine_chunks
from dlrun.kernels.store import kernel_key, load_kernels
from dlrun.kernels.target import LANES, MOST_COLUMNS, Target, host_target
from dlrun.layers.dense import dense_forward
from dlrun.plan import ScratchSize
from tests.support.cases import CASES, MORE, Case
from tests.support.training import Training, differing

NETWORKS = {
    **{name: CASES[name] for name in ("conv1d", "conv2d_transpose", "depthwise_conv2d", "layer_normalization")},
    **MORE,
    "dropout": Case((50,), ({"type": "dense", "units": 99}, {"type": "dropout", "rate": 0.5}, {"type": "softmax"})),
}
"""Where tiles are full, and where they end in the middle of a vector, of a row of taps, or of a batch."""
NARROW = {"large dense": NETWORKS["large dense"]}
"""For a single lane; each width takes some 10 seconds on a machine that hasn't its kernels yet."""
WIDE = {**NETWORKS, "lstm": CASES["lstm"], "multi_head_attention": CASES["multi_head_attention"]}
"""For the most lanes, which need the most memory."""
CANARY = 0xA5


@pytest.fixture
def pages(monkeypatch):
    """Return a list that gets the page after each part of an executor's memory, full of canaries."""
    original, found = executor.page_zeros, []

    def guarded(size):
        memory = original(size + PAGE)
        memory[size:] = CANARY
        found.append(memory[size:])
        return memory[:size]

    monkeypatch.setattr(executor, "page_zeros", guarded)
    return found


def trainings(lanes):
    """Return the networks on three threads, by name."""
    chosen = NARROW if lanes == 1 else WIDE if lanes == max(LANES) else NETWORKS
    return {name: Training(case.layers, case.data, 3) for name, case in chosen.items()}


def unused_scratch(training):
    """Return what lies between the working memory that the plan asked for and the next thread's."""
    calls = training.plan.calls
    sizes = [a.size for call in calls for a in call.arguments.values() if isinstance(a, ScratchSize)]
    memory = training.executor._scratch.view(np.float32).reshape(training.executor.threads, -1)
    return memory[:, max(sizes) :]


@pytest.mark.parametrize("count", LANES)
def test_weights_have_the_same_bits(count, lanes, pages):
    of_host = trainings(count)
    expected = {name: training.run() for name, training in of_host.items()}
    lanes(count)
    load_kernels([kernel for training in of_host.values() for kernel in training.plan.kernels], "float32")
    for name, training in trainings(count).items():
        assert not differing(training.run(), expected[name]), f"{name} differs on {count} lanes"
        assert not unused_scratch(training).any(), f"{name} needs more scratch memory on {count} lanes"
    assert all((page == CANARY).all() for page in pages)


@pytest.mark.parametrize("count", LANES)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_no_tile_is_wider_than_memory_is_sized_for(count, precision, lanes):
    lanes(count)
    target = host_target(precision)
    assert target.lanes == (count if precision == "float32" else max(1, count // 2))
    assert tile.tile_columns(target) <= MOST_COLUMNS


def test_only_kernels_with_tiles_are_compiled_for_each_width():
    narrow, wide = Target("float32", 16, True), Target("float32", 64, True)
    assert kernel_key(dense_forward, narrow) != kernel_key(dense_forward, wide)
    assert kernel_key(combine_chunks, narrow) == kernel_key(combine_chunks, wide)


def test_a_width_that_does_not_exist_is_refused(lanes):
    lanes("three")
    with pytest.raises(UsageError, match="DLRUN_LANES is 'three'"):
        host_target("float32")
