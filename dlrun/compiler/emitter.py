"""What a layer, a loss or an optimizer sees of the compiler while it emits its kernel calls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from math import inf, prod
from typing import TYPE_CHECKING

from dlrun.costs import Choice
from dlrun.data.signature import Feature
from dlrun.kernels.lang import KINDS, Kernel
from dlrun.plan import (
    ROWS,
    STEP,
    Argument,
    Buffer,
    Call,
    LiveValue,
    Partition,
    Phase,
    Plan,
    Region,
    ScratchSize,
    Update,
    effects,
)

if TYPE_CHECKING:
    from dlrun.compiler.graph import Node

SAMPLE_WEIGHTS = "sample_weights"
"""The buffer that says how much each sample counts."""


class Builder:
    """Collects a plan's buffers and calls."""

    def __init__(self, plan: Plan, seed: int, gradients: bool = False, counts_losses: bool = False) -> None:
        self.plan = plan
        self.seed = seed
        self.gradients = gradients
        self.counts_losses = counts_losses
        self.node = ""
        self.phase: Phase = "data"

    def buffer(
        self,
        name: str,
        size: int,
        region: Region = "work",
        dtype: str = "real",
        row_size: int | None = None,
        values: tuple[float, ...] | None = None,
    ) -> Buffer:
        """Return the buffer of this name, made now if it doesn't exist. Raises ValueError if it's another one's."""
        buffer = self.plan.buffers.setdefault(name, Buffer(name, size, region, dtype, row_size, values))
        if (buffer.size, buffer.region, buffer.dtype) != (size, region, dtype):
            raise ValueError(
                f"two buffers are to have the name {name!r}: of {buffer.size} {buffer.dtype} and {size} {dtype}"
            )
        return buffer

    def rows_buffer(self, name: str, row_size: int, dtype: str = "real", region: Region = "work") -> Buffer:
        """Return a buffer with `row_size` entries for each sample."""
        return self.buffer(name, row_size * self.plan.batch, region, dtype, row_size)

    def constant(self, name: str, values: tuple[float, ...], dtype: str = "real") -> Buffer:
        """Return a buffer that holds these values throughout."""
        return self.buffer(name, len(values), "constant", dtype, values=values)

    def zeros(self, size: int) -> Buffer:
        """Return so many zeros or more, to start sums from."""
        size = 1 << max(6, (size - 1).bit_length())
        return self.constant(f"zeros/{size}", (0.0,) * size)

    def call(
        self, kernel: Kernel, *, partition: Partition | Choice = "samples", flops: int = 0, **arguments: Argument
    ) -> None:
        """Add a call. Its arguments are the kernel's own names; each must be of the declared kind."""
        check_arguments(kernel, arguments)
        choice = Choice(partition, "") if isinstance(partition, str) else partition
        self.plan.calls.append(
            Call(kernel, arguments, choice.partition, self.phase, self.node, flops, reason=choice.reason)
        )

    def random_key(self, purpose: str) -> int:
        """Return a 62-bit key for random numbers: a function of the run's seed, the node and the purpose."""
        text = f"{self.seed}/{self.node}/{purpose}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 2


ACCEPTS: dict[str, tuple[type, ...]] = {
    "Scratch": (ScratchSize,),
    "Update": (Update,),
    "Size": (int,),
    "Number": (int, float),
    "Live": (LiveValue, Buffer),
}


def check_arguments(kernel: Kernel, arguments: dict[str, Argument]) -> None:
    """Raise TypeError unless the arguments are just those the kernel declares, each of its kind."""
    declared = kernel.arguments
    if set(arguments) != set(declared):
        missing, unknown = set(declared) - set(arguments), set(arguments) - set(declared)
        raise TypeError(f"call of {kernel.name}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    for name, kind in declared.items():
        value = arguments[name]
        if not isinstance(value, ACCEPTS.get(kind.name, (Buffer,))):
            raise TypeError(f"call of {kernel.name}: {name} must be a {kind.name}, got {value!r}")
        dtype = "int64" if kind.name == "Live" else KINDS[kind.name].dtype
        if isinstance(value, Buffer) and dtype != value.dtype:
            raise TypeError(f"call of {kernel.name}: {name} is {dtype}, the buffer {value.name} {value.dtype}")


def mask_name(node: Node) -> str:
    """Return the name of the buffer with the mask that a node makes."""
    return f"{node.name}/mask"


def rows_name(times: int) -> str:
    """Return the name of the buffer with the step's number of samples where each row is so many."""
    return f"rows_times_{times}"


def added_losses_name(node: Node) -> str:
    """Return the name of the buffer with each sample's term that a node adds to the loss."""
    return f"{node.name}/added_losses"


def folded_name(node: Node, variable: str) -> str:
    """Return the name of the buffer with a variable that has taken in the batch normalisation behind the node."""
    return f"{node.name}/folded_{variable}"


class Emitter:
    """One node's view of the builder: its inputs, output, variables, gradients.

    Where each row of the batch is several samples for the node (`Node.times`), `rows` and `batch` count them, and
    buffers per sample have a place for each.
    """

    rows: LiveValue | Buffer = ROWS
    """Samples in the running step."""
    step = STEP
    """The running step's number since training began."""

    def __init__(
        self,
        builder: Builder,
        node: Node,
        training: bool,
        inputs: list[Buffer],
        output: Buffer,
        output_gradient: Buffer | None = None,
        input_gradient: Callable[[int], Buffer | None] = lambda index: None,
        update: Callable[[str, Node], Update | None] = lambda variable, owner: None,
        masks: Sequence[Buffer | None] = (),
    ) -> None:
        self.builder = builder
        self.node = node
        self.training = training
        self.inputs = inputs
        self.output = output
        self._output_gradient = output_gradient
        self._input_gradient = input_gradient
        self._update = update
        self._masks = masks
        self.input_shapes = node.input_shapes
        self.output_shape = node.output_shape
        self.call = builder.call
        self.zeros = builder.zeros
        self.random_key = builder.random_key
        self.gradients = builder.gradients
        """Whether a backward pass follows, for which something has to be saved."""
        self.counts_losses = builder.counts_losses
        """Whether the terms that layers add are part of what is computed: not where only predictions are."""
        self.batch, self.threads = builder.plan.batch * node.times, builder.plan.threads
        if node.times > 1:
            self.rows = builder.plan.buffers[rows_name(node.times)]

    @property
    def input(self) -> Buffer:
        """The first input: (rows, *input_shapes[0])."""
        return self.inputs[0]

    @property
    def mask(self) -> Buffer | None:
        """The mask of the first input, (rows, time): 1 at a real position, 0 at padding; None where all are real."""
        return self.mask_of(0)

    def mask_of(self, index: int) -> Buffer | None:
        """Return the mask of an input, (rows, time), or None where all its positions are real."""
        return self._masks[index] if index < len(self._masks) else None

    @property
    def new_mask(self) -> Buffer:
        """The output's mask, (rows, time), for layers whose `mask_rule` is "make": written in the forward pass."""
        return self.builder.rows_buffer(mask_name(self.node), self.output_shape[0] * self.node.times)

    @property
    def added_losses(self) -> Buffer:
        """Each sample's term of the loss, (rows), for layers that add one: written in the forward pass."""
        return self.builder.rows_buffer(added_losses_name(self.node), 1)

    @property
    def sample_weights(self) -> Buffer:
        """How much each sample counts, (rows): there in the backward pass of layers that add to the loss."""
        return self.builder.plan.buffers[SAMPLE_WEIGHTS]

    @property
    def floor(self) -> float:
        """What the output is cut off at below: 0 where a ReLU is fused into the layer, else -inf."""
        return 0.0 if self.node.fused_relu else -inf

    @property
    def output_gradient(self) -> Buffer:
        """The loss's gradient with respect to the output."""
        if self._output_gradient is None:
            raise ValueError(f"{self.node.name} has no gradient in this pass")
        return self._output_gradient

    def is_data(self, buffer: Buffer) -> bool:
        """Return whether a buffer holds what the data path has written: rows as they were read and transformed."""
        data = (call for call in self.builder.plan.calls if call.phase == "data")
        return any(effect.buffer is buffer and effect.access == "write" for call in data for effect in effects(call))

    def input_gradient(self, index: int = 0) -> Buffer | None:
        """Return where an input's gradient is to be written, or None if nobody needs it."""
        return self._input_gradient(index)

    def variable(self, name: str) -> Buffer:
        """Return a variable of the node, its own or another's, folded where the node takes in another."""
        full = self.node.owned(name).name if self.node.folded is None else folded_name(self.node, name)
        return self.builder.plan.buffers[full]

    def update(self, name: str) -> Update | None:
        """Return what becomes of a variable's gradient, or None if the variable is frozen."""
        return self._update(name, self.node)

    @property
    def table(self) -> Buffer | None:
        """The table of the embedding whose ids the node takes for its input, or None: the input is what it seems."""
        return self.builder.plan.buffers[self.node.lookup.owned("embeddings").name] if self.node.lookup else None

    def table_update(self) -> Update | None:
        """Return what becomes of the table's gradient, or None if it is frozen."""
        return self._update("embeddings", self.node.lookup) if self.node.lookup else None

    def saved(self, name: str, row_size: int, dtype: str = "real") -> Buffer:
        """Return a buffer per sample that lasts from the forward to the backward pass."""
        return self.builder.rows_buffer(f"{self.node.name}/{name}", row_size * self.node.times, dtype)

    def kept(self, name: str, row_size: int) -> Buffer:
        """Return a buffer per sample whose content lasts from one step to the next; zeros at first."""
        return self.builder.rows_buffer(f"{self.node.name}/{name}", row_size, region="state")

    def shared(self, name: str, size: int, dtype: str = "real") -> Buffer:
        """Return a buffer of the whole batch: packed weights, statistics, partial sums."""
        return self.builder.buffer(f"{self.node.name}/{name}", size, dtype=dtype)

    def constant(self, name: str, values: tuple[float, ...], dtype: str = "real") -> Buffer:
        """Return a buffer that holds these values throughout."""
        return self.builder.constant(f"{self.node.name}/{name}", values, dtype)


class OutputEmitter:
    """What a loss emits into when only predictions are wanted.

    `output` (rows, *shape) holds logits where the loss has a link, else predictions. `predictions` (rows, *shape) gets
    the output after the link. `size` counts the output's entries per sample. `place` is what the names of the head's
    buffers begin with, where there are several.
    """

    rows = ROWS

    def __init__(self, builder: Builder, output: Buffer, shape: tuple[int, ...], place: str = "") -> None:
        self.builder, self.output, self.shape, self.place = builder, output, shape, place
        self.size = prod(shape)
        self.call = builder.call
        self.predictions = builder.rows_buffer(f"{place}predictions", self.size)

    def constant(self, name: str, values: tuple[float, ...], dtype: str = "real") -> Buffer:
        """Return a buffer that holds these values throughout."""
        return self.builder.constant(f"{self.place}{name}", values, dtype)


class LossEmitter(OutputEmitter):
    """What a loss emits into: the network's output, the targets, and where results go.

    `losses` gets each sample's loss (rows), `gradient` that of the mean loss with respect to `output`, or is None.
    `weights` are the sample weights (rows), times the loss's own. `feature` says what the target is. `mask` is that of
    the output, (rows, time), 1 at a real position and 0 at padding, or None where all are real.
    """

    def __init__(
        self,
        builder: Builder,
        output: Buffer,
        shape: tuple[int, ...],
        target: Buffer,
        feature: Feature,
        gradient: Buffer | None,
        weights: Buffer,
        mask: Buffer | None = None,
        place: str = "",
    ) -> None:
        super().__init__(builder, output, shape, place)
        self.mask = mask
        self.target, self.feature, self.gradient, self.weights = target, feature, gradient, weights
        self.losses = builder.rows_buffer(f"{place}losses", 1)
        self.unused = builder.rows_buffer(f"{place}unused_gradient", self.size) if gradient is None else None

    def saved(self, name: str, row_size: int) -> Buffer:
        """Return a buffer per sample for what a later call of the loss reads."""
        return self.builder.rows_buffer(f"{self.place or 'loss/'}{name}", row_size)

    @property
    def gradient_out(self) -> Buffer:
        """Where a kernel that always writes the gradient may write it."""
        return self.gradient or self.unused  # type: ignore[return-value]
