"""The layers, one file each, and their registry."""

from dlrun.layers.activation import ActivationLayer
from dlrun.layers.base import Layer as Layer
from dlrun.layers.dense import Dense
from dlrun.layers.flatten import Flatten
from dlrun.registry import Registry

LAYERS: Registry[Layer] = Registry("layer", (ActivationLayer, Dense, Flatten))
