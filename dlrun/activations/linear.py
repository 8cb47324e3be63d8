"""No activation."""

from typing import Literal

from dlrun.activations.base import Activation


class Linear(Activation):
    """x itself: no layer is made for it."""

    type: Literal["linear"] = "linear"
