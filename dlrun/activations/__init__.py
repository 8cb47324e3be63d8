"""The activations, one file each, and their registry."""

from dlrun.activations.base import Activation as Activation
from dlrun.activations.linear import Linear
from dlrun.activations.relu import Relu
from dlrun.activations.softmax import Softmax
from dlrun.registry import Registry

ACTIVATIONS: Registry[Activation] = Registry("activation", (Linear, Relu, Softmax))
