"""What the rest of dlrun knows about a data set: names, shapes, dtypes, classes. No rows, no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dlrun.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

Kind = Literal["image", "numbers", "category", "labels", "sequence"]


@dataclass(frozen=True)
class Feature:
    """One named array of a data set, as a step of training sees one row of it.

    `shape` leaves the rows out: (28, 28, 1) for a grey image, () for one number or one class index.
    `stored_dtype` is the dtype of the stored array: float32, float64, uint8, or int32 for class indices.
    The executor turns what is stored into the real type of the run as `stored * scale + offset`, where both are
    one number or one number per entry of the last axis; so images stay uint8 in memory and rescaling costs nothing.
    `classes` are the names behind class indices, in index order, for kinds "category" and "labels".
    `class_counts` are the training rows of each class (targets of kind "labels"). `label_counts` are those with a 0 and
    with a 1 of each entry of a row of labels: of targets of numbers (k,) that are nothing but 0 and 1, else None.
    `inverse` turns predictions back to the data's units, real = prediction * inverse[0] + inverse[1] (targets only);
    each is one number, or one per entry of the last axis. With `inverse_exponential`, exp(real) - 1 comes after it.
    `to_units` does both. With `overlapping` the stored rows may be windows of one array that share its memory.
    With `group` rows follow each other in groups of so many: what was chosen, then what wasn't (targets only).
    """

    name: str
    shape: tuple[int, ...]
    stored_dtype: str
    kind: Kind = "numbers"
    classes: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    inverse: tuple[float | tuple[float, ...], float | tuple[float, ...]] = (1.0, 0.0)
    inverse_exponential: bool = False
    class_counts: tuple[int, ...] | None = None
    label_counts: tuple[tuple[int, int], ...] | None = None
    overlapping: bool = False
    group: int = 1

    def to_units(self, predictions: Array) -> Array:
        """Predictions of a target of numbers, (rows, *shape), in the data's own units, float64."""
        import numpy as np

        values: Array = np.asarray(predictions, np.float64) * np.asarray(self.inverse[0]) + np.asarray(self.inverse[1])
        return np.expm1(values) if self.inverse_exponential else values

    def from_units(self, values: Array) -> Array:
        """The inverse of `to_units`: numbers in the data's units as the network gives them, float64."""
        import numpy as np

        real: Array = np.log1p(values) if self.inverse_exponential else np.asarray(values, np.float64)
        scaled: Array = (real - np.asarray(self.inverse[1])) / np.asarray(self.inverse[0])
        return scaled


@dataclass(frozen=True)
class Signature:
    """The named inputs of a data set, in order, and its targets (one or more, the first named "target" as a rule)."""

    inputs: Mapping[str, Feature]
    targets: Mapping[str, Feature] = field(default_factory=dict)

    @property
    def target(self) -> Feature:
        """The only target. Raises UsageError where there are several."""
        if len(self.targets) > 1:
            names = ", ".join(self.targets)
            raise UsageError(f"there are several targets ({names}), and only one can be used here")
        return next(iter(self.targets.values()))
