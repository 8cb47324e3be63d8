"""What every loss has in a config."""

from dlrun.registry import Component


class Loss(Component):
    """What training minimises: the mean over the samples of a batch."""
