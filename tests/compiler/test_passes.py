"""Passes keep the results: fused or not, sharing bytes or not, on any number of threads."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from dlrun.compiler.passes import place as placing
from dlrun.compiler.passes.barriers import set_barriers
from dlrun.compiler.passes.place import lifetimes, place
from dlrun.compiler.passes.verify import verify
from dlrun.kernels.halves import middle_of
from dlrun.plan import CHUNKS, effects
from tests.compiler.networks import NETWORKS, compiled, model, trained


def assert_same(one, other, exact=True):
    for a, b in zip((*one[0].values(), *one[1:]), (*other[0].values(), *other[1:]), strict=True):
        if exact:
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_fusing_keeps_the_results(name):
    network = model(name)
    fused, plain = compiled(network), compiled(network, fused=False)
    assert len(fused.calls) < len(plain.calls)
    one, other = trained(network, fused), trained(network, plain)
    assert list(one[0]) == list(other[0])
    assert_same(one, other, exact=False)


@pytest.mark.parametrize("name", NETWORKS)
def test_sharing_bytes_keeps_the_results(name, monkeypatch):
    network = model(name)
    apart = compiled(network)
    monkeypatch.setattr(placing, "MOST_IN_CACHE", 0)
    sharing = compiled(network)
    assert sharing.arena_bytes["work"] < apart.arena_bytes["work"]
    assert_same(trained(network, apart), trained(network, sharing))


def test_what_is_kept_shares_nothing(monkeypatch):
    monkeypatch.setattr(placing, "MOST_IN_CACHE", 0)
    plan = compiled(model("convolution"), finish=False)
    place(plan, keep=True)
    ends = sorted((buffer.offset, buffer.offset + buffer.bytes("float32")) for buffer in plan.region("work"))
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))


@pytest.mark.parametrize("most_in_cache", [0, 1 << 40])
@pytest.mark.parametrize("threads", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 1.0}, {"gradient_accumulation_steps": 2}], ids=str)
def test_a_barrier_stands_wherever_threads_depend_on_each_other(name, threads, most_in_cache, options, monkeypatch):
    """Against a plain look at all pairs of calls: byte by byte, whoever the threads are that touch it."""
    monkeypatch.setattr(placing, "MOST_IN_CACHE", most_in_cache)
    plan = compiled(model(name), threads, **options)
    verify(plan)
    for late, call in enumerate(plan.calls):
        for early in range(late - 1, -1, -1):
            if any(between.barrier for between in plan.calls[early + 1 : late + 1]):
                break
            assert not depends(plan, plan.calls[early], call, threads), (early, late)
    if threads > 1:
        assert any(call.barrier for call in plan.calls)
    else:
        assert not any(call.barrier for call in plan.calls)


def depends(plan, early, late, threads):
    """Whether a thread of one call may touch bytes that another thread of the other writes."""
    for a in effects(early):
        for b in effects(late):
            if a.buffer.region != b.buffer.region or a.buffer.region == "data" or a.access == b.access == "read":
                continue
            for first in range(threads):
                for second in range(threads):
                    if first != second and any(
                        overlap(one, other)
                        for one in touched(plan, early, a, first, threads)
                        for other in touched(plan, late, b, second, threads)
                    ):
                        return True
    return False


def touched(plan, call, effect, thread, threads):
    """The bytes [from, to) that a thread may touch: its samples', or all, or none of a call that is another's."""
    buffer = effect.buffer
    start, size = buffer.offset, buffer.bytes(plan.precision)
    if call.partition == "one" and thread != 0:
        return []
    if buffer.row_size is not None and call.partition == "halves":
        item = buffer.item_bytes(plan.precision)
        apart = call.arguments["apart"] if "inputs/" in buffer.name else 0
        entries = parts(buffer.row_size, plan.batch, thread, threads, apart)
        return [(start + a * item, start + b * item) for a, b in entries]
    whole_chunks = call.partition == "chunks" and CHUNKS % threads == 0
    if buffer.row_size is not None and (call.partition == "samples" or whole_chunks):
        row = buffer.row_size * buffer.item_bytes(plan.precision)
        return [(start + plan.batch * thread // threads * row, start + plan.batch * (thread + 1) // threads * row)]
    return [(start, start + size)]


def parts(row_size, rows, thread, threads, apart):
    """The entries [from, to) of a thread by halves: of all first halves, then of all second ones."""
    for number in range(2 * rows * thread // threads, 2 * rows * (thread + 1) // threads):
        half, row = divmod(number, rows)
        middle = middle_of(row_size)
        size = row_size - middle if half else middle
        start = half * middle * apart + row * size if apart else half * middle + row * row_size
        yield start, start + size


def overlap(a, b):
    return max(a[0], b[0]) < min(a[1], b[1])


@pytest.mark.parametrize("name", NETWORKS)
def test_threads_keep_the_bits(name, monkeypatch):
    network = model(name)
    one = trained(network, compiled(network, 1), 1)
    for threads in (2, 3, 4, 7):
        for most_in_cache in (0, 1 << 40):
            monkeypatch.setattr(placing, "MOST_IN_CACHE", most_in_cache)
            assert_same(one, trained(network, compiled(network, threads), threads))


def test_without_a_barrier_the_look_finds_it():
    """The look itself can fail."""
    plan = compiled(model("dense"), 2)
    needed = [index for index, call in enumerate(plan.calls) if call.barrier]
    for index in needed:
        plan.calls[index].barrier = False
        assert any(
            depends(plan, plan.calls[early], plan.calls[late], 2)
            for late in range(index, len(plan.calls))
            for early in range(index)
            if not any(between.barrier for between in plan.calls[early + 1 : late + 1])
        )
        plan.calls[index].barrier = True


def test_barriers_are_set_anew_for_each_number_of_threads():
    plan = compiled(model("dense"), 4)
    plan.threads = 1
    set_barriers(plan)
    assert not any(call.barrier for call in plan.calls)


@pytest.mark.parametrize("name", NETWORKS)
def test_another_order_of_calls_has_fewer_barriers_and_the_same_bits(name):
    network = model(name)
    plain, ordered = compiled(network, ordered=False), compiled(network)
    assert Counter(call.kernel for call in plain.calls) == Counter(call.kernel for call in ordered.calls)
    assert sum(call.barrier for call in ordered.calls) < sum(call.barrier for call in plain.calls)
    assert_same(trained(network, plain), trained(network, ordered))


def test_beyond_the_cache_calls_keep_the_order_of_the_layers(monkeypatch):
    network = model("convolution")
    plain, ordered = compiled(network, ordered=False), compiled(network)
    monkeypatch.setattr(placing, "MOST_IN_CACHE", sum(b.bytes("float32") for b in ordered.region("work")) // 2)
    large = compiled(network)
    assert names(large) == names(plain) != names(ordered)


def names(plan):
    return [call.kernel.name for call in plan.calls]


def test_no_weights_change_before_the_losses_were_checked():
    plan = compiled(model("convolution"))
    check = next(index for index, call in enumerate(plan.calls) if call.kernel.has_status)
    changing = [
        index
        for index, call in enumerate(plan.calls)
        if any(effect.access != "read" and effect.buffer.region in ("weights", "optimizer") for effect in effects(call))
    ]
    assert changing
    assert min(changing) > check


def test_lives_begin_and_end_with_the_calls():
    plan = compiled(model("dense"), finish=False)
    lives = lifetimes(plan)
    buffer = plan.buffers["losses"]
    users = [i for i, call in enumerate(plan.calls) if any(effect.buffer is buffer for effect in effects(call))]
    assert lives[buffer] == (users[0], users[-1])
