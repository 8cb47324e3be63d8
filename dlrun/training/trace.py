"""A profile as a trace: the events of some steps on a time line, as chrome://tracing and Perfetto show them.

Source: "Trace Event Format" (Google, 2016): complete events, phase "X", with times in microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlrun.executor.executor import Array
from dlrun.plan import Call, Plan
from dlrun.training.profile import Profile

STEPS = 20
"""How many steps a trace shows: the last ones."""
PROCESS = 1


def trace(profile: Profile, name: str) -> dict[str, Any]:
    """Return the last steps of a profile as a JSON-able trace: a row for each thread, and one for the steps.

    An event is a call on a thread, or a thread's waiting at a barrier. Its arguments name the layer and the kernel.
    """
    return {"displayTimeUnit": "ns", "otherData": {"config": name}, "traceEvents": list(_events(profile, name))}


def _events(profile: Profile, name: str) -> Iterator[dict[str, Any]]:
    yield _row_name("process_name", 0, f"dlrun profile {name}")
    yield _row_name("thread_name", 0, "steps")
    for thread in range(profile.threads):
        yield _row_name("thread_name", thread + 1, f"thread {thread}")
    stamps = profile.timings.stamps[-STEPS:]
    stamps = stamps - stamps[:1].min()
    first = len(profile.timings.stamps) - len(stamps) + 1
    for index, step in enumerate(stamps):
        yield _event(f"step {first + index}", "step", 0, step[:, 0].max(), step[:, -1].max(), {})
        for thread in range(profile.threads):
            yield from _events_of_thread(profile.plan, step, thread)


def _events_of_thread(plan: Plan, step: Array, thread: int) -> Iterator[dict[str, Any]]:
    """Yield what a thread does in a step: stamps (threads, 2 + 2 calls)."""
    times, row = step[thread], thread + 1
    yield _event("barrier", "barrier", row, times[0], times[1], {"before": "the step"})
    for index, call in enumerate(plan.calls):
        begin, end = 2 + 2 * index, 3 + 2 * index
        if call.barrier:
            yield _event("barrier", "barrier", row, times[begin - 1], times[begin], {"before": call.kernel.name})
        if thread == 0 or call.partition != "one":
            about = _arguments(call, int((step[:, end] - step[:, begin]).max()))
            yield _event(call.node, call.phase, row, times[begin], times[end], about)


def _arguments(call: Call, nanoseconds: int) -> dict[str, Any]:
    """Return what is said of a call: its rate is that of all threads together."""
    about: dict[str, Any] = {
        "layer": call.node, "direction": call.phase, "kernel": call.kernel.name, "partition": call.partition,
    }  # fmt: skip
    if call.flops and nanoseconds > 0:
        about["GFLOP/s"] = round(call.flops / nanoseconds, 3)
    return about


def _event(name: str, category: str, row: int, begin: int, end: int, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name, "cat": category, "ph": "X", "pid": PROCESS, "tid": row, "ts": int(begin) / 1e3,
        "dur": int(end - begin) / 1e3, "args": about,
    }  # fmt: skip


def _row_name(kind: str, row: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": PROCESS, "tid": row, "args": {"name": name}}
