"""What every regularizer and every constraint has in a config, and what the compiler asks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlrun.registry import Component

if TYPE_CHECKING:
    from dlrun.compiler.emitter import Builder
    from dlrun.plan import Buffer, Step


class Regularizer(Component):
    """A penalty on a weight that is added to the loss."""

    def step(self, weights: Buffer) -> Step:
        """Return the update step that adds the penalty's gradient to each part of the weights' gradient, in place.

        Its kernel takes `w: In` (the weights) and Gradient, Start, Count: gradient[i] += slope of w[start + i].
        """
        raise TypeError(f"{type(self).__name__} has no step")

    def penalty(self, sums: Buffer) -> Step:
        """Return the update step that sums the penalty over a block of the weights.

        Its kernel takes `sums: OutDouble` and Gradient, Start, Count, and is given the *weights* as the gradient, in
        the blocks of dlrun.kernels.updates: sums[start // BLOCK] = the penalty of gradient[0 .. count), in float64.
        """
        raise TypeError(f"{type(self).__name__} has no penalty")


class Constraint(Component):
    """A condition that a weight is brought back to after each update."""

    def emit(self, builder: Builder, weights: Buffer, shape: tuple[int, ...]) -> None:
        """Emit the call that brings the weights back, unless `apply` (dlrun.plan.APPLY: the optimizer acts) is 0."""
        raise TypeError(f"{type(self).__name__} emits nothing")
