"""The calls that change training rows at random, right after they were gathered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dlrun.compiler.emitter import Builder
from dlrun.data.augment.base import Augmentation
from dlrun.data.signature import Feature, Signature
from dlrun.errors import Path, Problem, ShapeError
from dlrun.plan import ROWS, STEP, Buffer

PLACE: Path = ("data", "augment")


class AugmentEmitter:
    """What an augmentation emits into: one input's rows `x` (rows, *shape), to be changed in place."""

    rows, step = ROWS, STEP

    def __init__(self, builder: Builder, feature: Feature, x: Buffer, index: int, kind: str) -> None:
        self.x, self.shape = x, feature.shape
        self.call = builder.call
        self.key = builder.random_key(f"{feature.name}/{index}/{kind}")
        self._builder, self._feature = builder, feature

    @property
    def fill(self) -> Buffer:
        """What black is to the network, by channels: a stored 0 after scaling."""
        channels, offset = self.shape[-1], self._feature.offset
        values = offset if len(offset) == channels else offset[:1] * channels
        return self._builder.constant(f"{self.x.name}/black", values)

    @property
    def image(self) -> dict[str, Any]:
        """The arguments that kernels over images share."""
        height, width, channels = self.shape
        return {
            "x": self.x, "fill": self.fill, "step": self.step, "rows": self.rows,
            "height": height, "width": width, "channels": channels,
        }  # fmt: skip


def emit_augmentations(builder: Builder, feature: Feature, x: Buffer, augment: Sequence[Augmentation]) -> None:
    """Emit all augmentations of one input, in the config's order."""
    for index, augmentation in enumerate(augment):
        if _applies(augmentation, feature):
            augmentation.lower(AugmentEmitter(builder, feature, x, index, augmentation.type))


def augmentation_problems(augment: Sequence[Augmentation], signature: Signature) -> Iterator[Problem]:
    """Yield what is wrong with augmentations: inputs that don't exist or don't fit, or nothing to change."""
    for index, augmentation in enumerate(augment):
        place = f"data.augment[{index}]"
        for error in _errors(augmentation, signature):
            path = (*PLACE, index, error.field) if error.field else (*PLACE, index)
            field = f".{error.field}" if error.field else ""
            yield Problem(path, f"{place}{field}: {error.message}", error.help)


def _errors(augmentation: Augmentation, signature: Signature) -> Iterator[ShapeError]:
    names = ", ".join(signature.inputs)
    for name in augmentation.inputs or ():
        if name not in signature.inputs:
            yield ShapeError(f"the data have no input named {name!r}", "inputs", f"one of: {names}")
    features = [feature for feature in signature.inputs.values() if _applies(augmentation, feature)]
    if not features and augmentation.inputs is None:
        help = f"if it can change one of {names}, name that in its `inputs`"
        yield ShapeError(f"{augmentation.type} changes images, and no input holds any", help=help)
    for feature in features:
        try:
            augmentation.check(feature)
        except ShapeError as error:
            yield error


def _applies(augmentation: Augmentation, feature: Feature) -> bool:
    if augmentation.inputs is None:
        return feature.kind == "image"
    return feature.name in augmentation.inputs
