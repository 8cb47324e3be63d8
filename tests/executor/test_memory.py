"""Steps allocate nothing: no page, no block of Python's, and no kernel calls what could."""

import gc
import math
import resource
import struct
import sys

import pytest

from dlrun.executor.run_loop import run_steps
from dlrun.kernels import store
from dlrun.kernels.target import host_target
from tests.support.cases import CASES, MORE
from tests.support.training import Training

LIBRARY = {"memset", "memcpy", "memmove", "syscall", "sched_yield", "clock_gettime"}
FUNCTIONS = {name + suffix for name in (*dir(math), "fma") for suffix in ("", "f")}
ELF, SYMBOLS, HEADER, SECTION, SYMBOL = b"\x7fELF\x02\x01", 2, 64, 64, 24


def undefined_symbols(code):
    """The names that an ELF object file of 64 bits takes from elsewhere."""
    (start,), (count,) = struct.unpack_from("<Q", code, 40), struct.unpack_from("<H", code, 60)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, start + SECTION * i) for i in range(count)]
    found = set()
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind == SYMBOLS:
            names = sections[link][4]
            for place in range(offset + SYMBOL, offset + size, SYMBOL):
                name, _, _, section = struct.unpack_from("<IBBH", code, place)
                if section == 0:
                    found.add(code[names + name : code.index(0, names + name)].decode())
    return found


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
        seen.update(Training(case.layers, case.data).plan.kernels, [run_steps])
    assert len(seen) > 50
    for kernel in seen:
        _, code = store._read(store._path(kernel, target))
        if not code.startswith(ELF):
            pytest.skip("object files of this system are not understood here")
        assert undefined_symbols(code) <= LIBRARY | FUNCTIONS, kernel
