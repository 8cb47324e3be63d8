"""Every rule of the verifier has a case that breaks it."""

import pytest

from dlrun.compiler.emitter import Builder
from dlrun.compiler.passes.place import place
from dlrun.compiler.passes.verify import IllegalPlan, verify
from dlrun.plan import Buffer
from tests.compiler.networks import compiled, model


@pytest.fixture
def plan():
    """A legal plan, placed."""
    made = compiled(model(), finish=False)
    place(made)
    verify(made)
    return made


def call_of(plan, kernel):
    return next(call for call in plan.calls if call.kernel.name == kernel)


def test_an_argument_too_few(plan):
    call = plan.calls[0]
    call.arguments = {name: value for name, value in call.arguments.items() if name != "rows"}
    with pytest.raises(TypeError, match=r"missing \['rows'\]"):
        verify(plan)


def test_an_argument_too_many(plan):
    plan.calls[0].arguments = {**plan.calls[0].arguments, "more": 1}
    with pytest.raises(TypeError, match=r"unknown \['more'\]"):
        verify(plan)


def test_an_argument_of_another_kind(plan):
    plan.calls[0].arguments = {**plan.calls[0].arguments, "rows": 3}
    with pytest.raises(TypeError, match="rows must be a Live"):
        verify(plan)


def test_a_buffer_of_another_dtype(plan):
    call = call_of(plan, "gather_floats")
    call.arguments = {**call.arguments, "order": call.arguments["y"]}
    with pytest.raises(TypeError, match="order is int64"):
        verify(plan)


def test_a_buffer_of_another_plan(plan):
    call = call_of(plan, "gather_floats")
    call.arguments = {**call.arguments, "y": Buffer("stray", 40, "work", row_size=5)}
    with pytest.raises(IllegalPlan, match="uses a buffer of another plan: stray"):
        verify(plan)


def test_a_read_before_the_write(plan):
    backward = next(index for index, call in enumerate(plan.calls) if call.phase == "backward")
    plan.calls.insert(0, plan.calls.pop(backward))
    with pytest.raises(IllegalPlan, match="before it is written"):
        verify(plan)


def test_an_end_beyond_the_arena(plan):
    plan.arena_bytes["work"] = 64
    with pytest.raises(IllegalPlan, match="ends beyond its arena work"):
        verify(plan)


def test_two_in_the_same_bytes(plan):
    first, second = plan.region("work")[:2]
    second.offset = first.offset
    with pytest.raises(IllegalPlan, match="live at the same time in the same bytes"):
        verify(plan)


def test_two_weights_in_the_same_bytes(plan):
    first, second = plan.region("weights")[:2]
    second.offset = first.offset
    with pytest.raises(IllegalPlan, match="live at the same time"):
        verify(plan)


def test_two_buffers_of_one_name_are_refused(plan):
    builder = Builder(plan, seed=0)
    assert builder.buffer("sums", 3) is builder.buffer("sums", 3)
    with pytest.raises(ValueError, match="two buffers are to have the name 'sums'"):
        builder.buffer("sums", 3, dtype="float64")


def test_a_buffer_of_no_bytes_is_in_nobodys_way(plan):
    call = call_of(plan, "collect")
    nothing = plan.buffers["nothing"] = Buffer("nothing", 0, "work", row_size=0)
    nothing.offset = call.arguments["x"].offset
    verify(plan)
