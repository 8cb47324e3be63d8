"""The layers, one file each, and their registry."""

from dlrun.layers.activation import ActivationLayer
from dlrun.layers.average_pool1d import AveragePool1D
from dlrun.layers.average_pool2d import AveragePool2D
from dlrun.layers.base import Layer as Layer
from dlrun.layers.conv2d import Conv2D
from dlrun.layers.dense import Dense
from dlrun.layers.flatten import Flatten
from dlrun.layers.max_pool1d import MaxPool1D
from dlrun.layers.max_pool2d import MaxPool2D
from dlrun.registry import Registry

LAYERS: Registry[Layer] = Registry(
    "layer",
    (
        ActivationLayer,
        AveragePool1D,
        AveragePool2D,
        Conv2D,
        Dense,
        Flatten,
        MaxPool1D,
        MaxPool2D,
    ),
    synonyms={
        "average_pooling1d": "average_pool1d",
        "average_pooling2d": "average_pool2d",
        "max_pooling1d": "max_pool1d",
        "max_pooling2d": "max_pool2d",
    },
)
