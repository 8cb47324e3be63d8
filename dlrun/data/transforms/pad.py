"""pad: tokens as sequences of one length."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from dlrun.data.dataset import Array
from dlrun.data.layout import Layout
from dlrun.data.tokens import PADDING
from dlrun.data.transforms.base import Chunks, Fitted, Transform
from dlrun.errors import DataError, ShapeError


class Pad(Transform):
    """Fills short texts up with padding, id 0, and cuts long ones off."""

    type: Literal["pad"] = "pad"
    length: int | None = Field(default=None, gt=0)
    """How many tokens each row has then; those of the longest training row when left out."""
    truncate: Literal["end", "start"] = "end"
    """Where a long text loses tokens."""
    padding: Literal["end", "start"] = "end"
    """Where a short text gains padding."""

    def after(self, layout: Layout, fitted: Fitted | None) -> Layout:
        """Tokens → (length,) int32."""
        if layout.kind != "tokens":
            raise ShapeError(
                f"pad takes tokens, but got {layout.kind} of shape {layout.shape}", help="put tokenize before it"
            )
        length = self.length or (fitted["length"] if fitted is not None else 1)
        return Layout("sequence", (length,), "int32", values=layout.values)

    def fit(self, chunks: Chunks, layout: Layout) -> dict[str, Any]:
        """{length}, where none is given."""
        if self.length is not None:
            return {}
        longest = max((len(ids) for chunk in chunks() for ids in chunk), default=0)
        if not longest:
            raise DataError("no training row has a token", help="give pad a length")
        return {"length": longest}

    def apply(self, array: Array, layout: Layout, fitted: Fitted) -> Array:
        """(rows,) arrays of ids → (rows, length) int32."""
        length = self.length or int(fitted["length"])
        result = np.full((len(array), length), PADDING, np.int32)
        for row, ids in enumerate(array):
            kept = ids[:length] if self.truncate == "end" else ids[max(len(ids) - length, 0) :]
            place = slice(len(kept)) if self.padding == "end" else slice(length - len(kept), length)
            result[row, place] = kept
        return result
