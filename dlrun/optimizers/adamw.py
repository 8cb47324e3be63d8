"""Adam with weight decay."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dlrun.optimizers.adam import AdamFields


class AdamW(AdamFields):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): w -= rate * weight_decay * w, then Adam's step."""

    type: Literal["adamw"] = "adamw"
    weight_decay: float = Field(default=0.004, ge=0, allow_inf_nan=False)
    """How much the weights shrink at each step, in shares of the learning rate; Keras's default (PyTorch's is 0.01)."""
