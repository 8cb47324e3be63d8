"""Targets of losses with one output for two classes, or a yes or no for each output."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.losses.base import Loss, check_numbers, way_to
from dlrun.losses.terms import labels_as_reals
from dlrun.plan import Buffer

if TYPE_CHECKING:
    from dlrun.compiler.emitter import LossEmitter


def check_two_classes(loss: Loss, shape: tuple[int, ...], target: Feature) -> None:
    """Raise ShapeError unless the target has two classes and the network one output, or a number for each output."""
    if target.kind != "labels":
        check_numbers(loss, shape, target)
        return
    classes = len(target.classes or ())
    if classes != 2:
        other = "categorical_hinge" if loss.type == "hinge" else "cross_entropy"
        raise ShapeError(
            f"{loss.type} tells two classes apart, the target {target.name!r} has {classes}", help=f"use loss: {other}"
        )
    if target.shape:
        raise ShapeError(
            f"{loss.type} takes one class a row, the target {target.name!r} has classes of shape {target.shape}",
            help="use loss: cross_entropy, with two outputs at each place",
        )
    if prod(shape) != 1:
        raise ShapeError(
            f"{loss.type} takes one output for two classes, the network's output has shape {shape}",
            help=way_to(shape, (1,)),
        )


def targets_as_reals(emit: LossEmitter) -> Buffer:
    """Return the targets as reals: as they are, or 0 and 1 for the labels of two classes."""
    if emit.feature.kind != "labels":
        return emit.target
    targets = emit.saved("targets_as_reals", 1)
    emit.call(labels_as_reals, labels=emit.target, t=targets, rows=emit.rows)
    return targets
