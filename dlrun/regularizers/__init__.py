"""Penalties on weights and constraints on them: l1, l2, l1_l2; max_norm."""

from dlrun.registry import Component, Registry


class Regularizer(Component):
    """A penalty on a weight that is added to the loss."""


class Constraint(Component):
    """A condition that a weight is brought back to after each update."""


REGULARIZERS: Registry[Regularizer] = Registry("regularizer", ())
CONSTRAINTS: Registry[Constraint] = Registry("constraint", ())
