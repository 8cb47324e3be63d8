"""The layers, one file each, and their registry."""

from dlrun.layers.base import Layer
from dlrun.registry import Registry

LAYERS: Registry[Layer] = Registry("layer", ())
