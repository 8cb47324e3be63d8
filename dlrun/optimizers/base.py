"""What every optimizer has in a config."""

from dlrun.registry import Component


class Optimizer(Component):
    """How the weights follow the gradient."""
