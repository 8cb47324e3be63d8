"""Steps allocate nothing: no page, no block of Python's, and no kernel calls what could."""

import gc
import math
import resource
import sys

import pytest

from dlrun.executor.claim_loop import run_claimed
from dlrun.executor.run_loop import run_steps
from dlrun.kernels import store
from dlrun.kernels.target import host_target
from tests.support.cases import CASES, MORE
from tests.support.object_files import ELF, symbols
from tests.support.training import Training

LIBRARY = {"memset", "memcpy", "memmove", "syscall", "sched_yield", "clock_gettime"}
FUNCTIONS = {name + suffix for name in (*dir(math), "fma") for suffix in ("", "f")}


def growth(training, steps):
    """How many pages the process got, and Python blocks it has more, after so many steps."""
    while gc.collect():  # what other tests left, down to what their finalizers let go of
        pass
    pages, blocks = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, sys.getallocatedblocks()
    training.run(steps)
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - pages, sys.getallocatedblocks() - blocks


@pytest.mark.parametrize("name", ["convolution and pool", "large dense"])
def test_a_thousand_steps_take_no_more_memory_than_ten(name):
    case = MORE[name]
    training = Training(case.layers, case.data, 2)
    training.run(1000)  # the tables of so many steps have their pages from now on
    pages, blocks = growth(training, 10)
    more_pages, more_blocks = growth(training, 1000)
    assert more_pages < pages + 50, "pages, for the tables of steps and nothing else"
    assert more_blocks <= blocks + 50


def test_memory_is_in_place_before_the_first_step():
    case = MORE["large dense"]
    training = Training(case.layers, case.data, 1)
    first, _ = growth(training, 1)
    later, _ = growth(training, 1)
    assert sum(training.plan.arena_bytes.values()) > 200 * 4096
    assert first < later + 100


def test_kernels_call_nothing_that_allocates():
    target, seen = host_target("float32"), set()
    for case in (*CASES.values(), *MORE.values()):
        seen.update(Training(case.layers, case.data).plan.kernels, [run_steps, run_claimed])
    assert len(seen) > 50
    for kernel in seen:
        code = store._read(store._path(kernel, target))
        if not code.startswith(ELF):
            pytest.skip("object files of this system are not understood here")
        _, missing = symbols(code)
        assert missing <= LIBRARY | FUNCTIONS, kernel
