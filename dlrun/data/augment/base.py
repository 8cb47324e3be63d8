"""What every augmentation has in a config."""

from dlrun.registry import Component


class Augmentation(Component):
    """A random change of the training rows, made anew each time a row is used."""
