"""The plan: buffers with places in a few arenas, and a flat list of kernel calls. Plain data, printable, verifiable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from dlrun.kernels.lang import Access, Kernel, ParameterKind, Precision

Region = Literal["work", "weights", "optimizer", "constant", "state", "data"]
Partition = Literal["samples", "halves", "chunks", "split", "one"]
"""How threads share a call: each its own samples, the same in every call; its own part of the samples' first and second
halves, the same in every call; fixed chunks of samples; some other split of the results; or one thread alone."""
Phase = Literal["data", "forward", "loss", "backward", "update", "collect"]

CHUNKS = 8
"""Chunks of samples whose partial sums are combined in order: part of every result's bits, whatever the threads."""
STEP_OF_ROWS = "/step"
"""What follows a data buffer's name in that of the buffer that says how many numbers its rows are apart, where they may
be windows of one array and share its memory."""
ITEM_BYTES = {"int32": 4, "int64": 8, "uint8": 1, "float32": 4, "float64": 8}


@dataclass(eq=False)
class Buffer:
    """A run of numbers that kernels read and write.

    `size` counts entries for the largest batch; `row_size` those of one sample, where the buffer has a part per sample.
    Region "data" is bound to arrays from outside when the plan is run; the other regions are arenas of the executor.
    "state" holds what a layer hands from one step to the next, zeros at first.
    `values` is the content at the start (one value stands for all): of constants, and of state that doesn't start at 0.
    `offset` (bytes) is set by the `place` pass.
    """

    name: str
    size: int
    region: Region
    dtype: str = "real"
    row_size: int | None = None
    values: tuple[float, ...] | None = None
    offset: int = 0

    def item_bytes(self, precision: Precision) -> int:
        """Return the bytes of one entry."""
        return ITEM_BYTES[precision if self.dtype == "real" else self.dtype]

    def bytes(self, precision: Precision) -> int:
        """Return the bytes of all entries."""
        return self.size * self.item_bytes(precision)


@dataclass(frozen=True)
class LiveValue:
    """A whole number of the step's state: which word of it."""

    name: str
    word: int


ROWS, STEP, FIRST, APPLY, MICRO_STEPS, INDEX, POSITION = (
    LiveValue(name, word)
    for word, name in enumerate(("rows", "step", "first", "apply", "micro_steps", "index", "position"))
)
"""Samples in this step; its number since training began; its first row's place in the order; whether the optimizer
acts in this step; over how many steps gradients were summed by then; the step's place among the collected penalties;
and, where a step takes one position of a sequence, which."""
LIVE_WORDS = 8


@dataclass(frozen=True)
class ScratchSize:
    """So many reals of working memory for each thread."""

    size: int


@dataclass(eq=False)
class Update:
    """What becomes of a variable's gradient: kernels applied in order to each finished part of it.

    `descent` is there where that is no more than w -= rate * g: the weights w, and the scalars whose first is the
    rate. A layer may then do so itself, as it makes g.
    """

    variable: str
    steps: tuple[Step, ...]
    descent: tuple[Buffer, Buffer] | None = None


@dataclass(eq=False)
class Step:
    """A kernel with its arguments: part of an Update, or, with its partition, a call of the plan."""

    kernel: Kernel
    arguments: Mapping[str, Argument]


Argument = Buffer | LiveValue | ScratchSize | Update | int | float


@dataclass(eq=False)
class Call(Step):
    """One kernel call of a step. `barrier`: all threads meet before it (set by the `barriers` pass).

    `reason` says why it is shared out as it is, where there was a choice.
    """

    partition: Partition = "samples"
    phase: Phase = "forward"
    node: str = ""
    flops: int = 0
    barrier: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Effect:
    """That a call reads or writes a buffer."""

    buffer: Buffer
    access: Access


def effects(step: Step) -> Iterator[Effect]:
    """Yield what a step reads and writes, through its updates too; a buffer that stands for a live value is read."""
    kinds: Mapping[str, ParameterKind] = step.kernel.arguments
    for name, argument in step.arguments.items():
        if isinstance(argument, Buffer):
            yield Effect(argument, "read" if kinds[name].name == "Live" else kinds[name].access)
        elif isinstance(argument, Update):
            for part in argument.steps:
                yield from effects(part)


@dataclass(eq=False)
class Plan:
    """Everything the executor needs to run steps of at most `batch` samples, made for a number of threads.

    The calls of `prologue` come once, before the first step of a run: what they compute is the same in all its steps.
    Results have the same bits with any number; barriers and the ways to share calls are chosen for this one.
    """

    precision: Precision
    batch: int
    calls: list[Call]
    buffers: dict[str, Buffer]
    threads: int = 1
    scalars: int = 0
    arena_bytes: dict[Region, int] = field(default_factory=dict)
    collected: int = 0
    prologue: list[Call] = field(default_factory=list)

    def region(self, region: Region) -> list[Buffer]:
        """Return the buffers of a region, in the order in which they were made."""
        return [buffer for buffer in self.buffers.values() if buffer.region == region]

    @property
    def kernels(self) -> list[Kernel]:
        """Every kernel the plan calls, updates included, in order of first use."""
        found: dict[Kernel, None] = {}

        def visit(step: Step) -> None:
            found.setdefault(step.kernel)
            for argument in step.arguments.values():
                if isinstance(argument, Update):
                    for part in argument.steps:
                        visit(part)

        for call in (*self.prologue, *self.calls):
            visit(call)
        return list(found)
