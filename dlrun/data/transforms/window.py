"""window: rows in their order become a series."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.transforms.base import Fitted, Transform
from dlrun.errors import ShapeError
from dlrun.registry import Spec


class WindowConfig(Spec):
    """Makes the rows of a table a series: a sample is a window of `length` rows, and what follows it is the target."""

    length: int = Field(gt=0)
    """The rows that the network sees at a time: an input of k columns has the shape (length, k)."""
    horizon: int | None = Field(default=None, gt=0)
    """The rows after a window that are to be predicted: a target column has the shape (horizon,), several columns
    (horizon, columns). 1 when left out; none where the target is the window itself (`target: {input: ...}`)."""
    stride: int = Field(default=1, gt=0)
    """How many rows after a window the next one begins."""


class Window(Transform, WindowConfig):
    """Makes the rows a series, as `data.window` does, which it becomes in the resolved config.

    It is the same for all inputs, and said with one of them or more; the target takes the rows of the horizon.
    """

    type: Literal["window"] = "window"

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """Raises ShapeError: an input's window has become that of the data, so this one is a target's."""
        raise ShapeError("a target takes the rows after the inputs' window, and has none of its own")

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """The rows as they are: windows are views of them."""
        return array
