"""What every loss has in a config, and what the compiler asks of it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from dlrun.activations.softmax import softmax_forward
from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.kernels.elementwise import copy
from dlrun.kernels.lang import Kernel
from dlrun.losses.link import sigmoid_link
from dlrun.plan import Buffer, ScratchSize
from dlrun.registry import Component

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter, OutputEmitter


class Loss(Component):
    """What training minimises: the mean over a batch's samples of weight x loss.

    A sample's loss is the mean over its outputs where there are several, unless the loss says otherwise.
    """

    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """How much this loss counts: beside those of other targets, penalties, and terms that layers add."""

    link: ClassVar[Literal["softmax", "sigmoid"] | None] = None
    """The activation that the loss applies itself: a trailing layer of this name is taken out and fused."""

    compares_rows: ClassVar[bool] = False
    """Whether it compares rows that the data put side by side, in groups of the target's `group`."""

    def factor(self, shape: tuple[int, ...]) -> float:
        """Return by what sample weights are multiplied for an output of this shape: the loss's own weight."""
        return self.weight

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError where the network's output (of this shape) or the target doesn't fit the loss."""

    def lower(self, emit: LossEmitter) -> None:
        """Emit the calls that compute losses, predictions and the gradient."""
        raise TypeError(f"{type(self).__name__} emits nothing")

    def predict(self, emit: OutputEmitter) -> None:
        """Emit the call that computes the predictions alone: the link's function of the output, or the output."""
        arguments: dict[str, Any] = {"rows": emit.rows, "size": emit.size}
        if self.link == "softmax":
            emit.call(softmax_forward, x=emit.output, y=emit.predictions, width=emit.shape[-1], **arguments)
        elif self.link == "sigmoid":
            emit.call(sigmoid_link, z=emit.output, p=emit.predictions, **arguments)
        else:
            emit.call(copy, x=emit.output, y=emit.predictions, **arguments)


class LossOverOutputs(Loss):
    """A loss whose kernel takes the mean over a sample's outputs."""

    over_outputs: Literal["mean", "sum"] = "mean"
    """Whether a sample's loss is the mean over its outputs, or their sum."""

    def factor(self, shape: tuple[int, ...]) -> float:
        """Return by what sample weights are multiplied: by the number of outputs too where these are summed."""
        return self.weight * (prod(shape) if self.over_outputs == "sum" else 1)


class ElementwiseLoss(LossOverOutputs):
    """A loss that is a mean over the entries of a sample's output, each compared with its own entry of the target.

    A subclass gives the kernel, which takes y, t, weights, losses, p, dy, terms, parameter, rows and size.
    """

    kernel: ClassVar[Kernel]

    @property
    def parameter(self) -> float:
        """The one number that the kernel takes."""
        return 0.0

    def check(self, shape: tuple[int, ...], target: Feature) -> None:
        """Raise ShapeError unless the target holds a number for each output."""
        check_numbers(self, shape, target)

    def lower(self, emit: LossEmitter) -> None:
        """Emit one call."""
        self.emit_loss(self.kernel, emit)

    def emit_loss(self, kernel: Kernel, emit: LossEmitter) -> None:
        """Emit the call of a kernel with these parameters."""
        emit.call(
            kernel, y=emit.output, t=self.targets(emit), weights=emit.weights, losses=emit.losses, p=emit.predictions,
            dy=emit.gradient_out, terms=ScratchSize(emit.size), parameter=self.parameter, rows=emit.rows,
            size=emit.size,
        )  # fmt: skip

    def targets(self, emit: LossEmitter) -> Buffer:
        """Return the buffer of real targets."""
        return emit.target


def check_numbers(loss: Loss, shape: tuple[int, ...], target: Feature) -> None:
    """Raise ShapeError unless the target holds a number for each output, in the same shape, or one of both is flat."""
    if target.kind == "labels":
        raise ShapeError(
            f"{loss.type} needs numbers as its target, {target.name!r} holds classes",
            help="use loss: cross_entropy, or binary_cross_entropy for two classes",
        )
    flat = len(shape) == 1 or len(target.shape) == 1
    if shape == target.shape or (prod(shape) == prod(target.shape) and flat):
        return
    raise ShapeError(
        f"the target {target.name!r} has shape {target.shape}, the network's output has shape {shape}",
        help=way_to(shape, target.shape),
    )


def check_labels(loss: Loss, shape: tuple[int, ...], target: Feature, sequences: bool = False) -> None:
    """Raise ShapeError unless the target holds classes and there is an output for each.

    With `sequences`, the target may hold a class for each position of a sequence, and so must the output.
    """
    if target.kind != "labels":
        raise ShapeError(
            f"{loss.type} needs classes as its target, {target.name!r} holds numbers",
            help="use loss: mse for numbers, or say that the target's column holds classes",
        )
    classes = len(target.classes or ())
    if target.shape and not sequences:
        raise ShapeError(
            f"{loss.type} takes one class a row, the target {target.name!r} has classes of shape {target.shape}",
            help="use loss: cross_entropy",
        )
    wanted = (*target.shape, classes)
    if shape != wanted:
        each = f" at each place of {target.shape}" if target.shape else ""
        raise ShapeError(
            f"the target {target.name!r} has {classes} classes{each}, the network's output has shape {shape}",
            help=way_to(shape, wanted),
        )


def check_shares(loss: Loss, shape: tuple[int, ...], target: Feature) -> None:
    """Raise ShapeError unless the target holds a number for each of several outputs."""
    if len(target.shape) != 1 or target.shape[0] < 2:
        raise ShapeError(
            f"{loss.type} needs a class or a share for each class, the target {target.name!r} holds numbers of shape "
            f"{target.shape}",
            help="use loss: mse for numbers, or say that the target's column holds classes",
        )
    if shape != target.shape:
        raise ShapeError(
            f"the target {target.name!r} has {target.shape[0]} shares, the network's output has shape {shape}",
            help=way_to(shape, target.shape),
        )


def way_to(shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Return what to do so that an output of one shape gets another."""
    if prod(shape) == prod(wanted):
        return f"end the network with a reshape layer: target_shape: {list(wanted)}"
    if len(wanted) <= 1 and len(shape) == 1:
        return f"the last layer needs units: {prod(wanted)}"
    if len(wanted) <= 1:
        return f"end the network with flatten and a dense layer of units: {prod(wanted)}"
    return f"end the network with a layer whose output has shape {wanted}"
