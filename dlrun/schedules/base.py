"""What every schedule has in a config."""

from dlrun.registry import Component


class Schedule(Component):
    """How the learning rate moves from step to step."""
