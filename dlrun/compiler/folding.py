"""The weights of a layer with those of the batch normalisation behind it taken in, for inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlrun.compiler.emitter import Builder, folded_name
from dlrun.kernels.folding import fold_normalization
from dlrun.plan import Buffer, ScratchSize

if TYPE_CHECKING:
    from dlrun.compiler.graph import Node


def emit_folded_weights(builder: Builder, node: Node, normalization: Node) -> None:
    """Emit the call that makes a node's folded kernel and bias, which `Emitter.variable` then gives the layer."""
    epsilon, channels = normalization.layer.folded_epsilon, normalization.output_shape[-1]
    assert epsilon is not None
    ones, zeros = builder.constant(f"ones/{channels}", (1.0,) * channels), builder.zeros(channels)

    def variable(owner: Node, name: str, default: Buffer) -> Buffer:
        found = owner.find(name)
        return default if found is None else builder.plan.buffers[found.name]

    kernel = variable(node, "kernel", zeros)
    builder.call(
        fold_normalization, partition="split", w=kernel, b=variable(node, "bias", zeros),
        gamma=variable(normalization, "gamma", ones), beta=variable(normalization, "beta", zeros),
        moving_mean=variable(normalization, "moving_mean", zeros),
        moving_variance=variable(normalization, "moving_variance", ones),
        folded_w=builder.buffer(folded_name(node, "kernel"), kernel.size),
        folded_b=builder.buffer(folded_name(node, "bias"), channels),
        scratch=ScratchSize(channels), epsilon=epsilon, count=kernel.size // channels, channels=channels,
    )  # fmt: skip
