"""The layers, one file each, and their registry."""

from dlrun.layers.activation import ActivationLayer
from dlrun.layers.average_pool1d import AveragePool1D
from dlrun.layers.average_pool2d import AveragePool2D
from dlrun.layers.base import Layer as Layer
from dlrun.layers.conv2d import Conv2D
from dlrun.layers.dense import Dense
from dlrun.layers.dropout import Dropout
from dlrun.layers.flatten import Flatten
from dlrun.layers.gaussian_noise import GaussianNoise
from dlrun.layers.max_pool1d import MaxPool1D
from dlrun.layers.max_pool2d import MaxPool2D
from dlrun.layers.spatial_dropout import SpatialDropout
from dlrun.registry import Registry

LAYERS: Registry[Layer] = Registry(
    "layer",
    (
        ActivationLayer,
        AveragePool1D,
        AveragePool2D,
        Conv2D,
        Dense,
        Dropout,
        Flatten,
        GaussianNoise,
        MaxPool1D,
        MaxPool2D,
        SpatialDropout,
    ),
    synonyms={
        "average_pooling1d": "average_pool1d",
        "average_pooling2d": "average_pool2d",
        "max_pooling1d": "max_pool1d",
        "max_pooling2d": "max_pool2d",
        "spatial_dropout1d": "spatial_dropout",
        "spatial_dropout2d": "spatial_dropout",
    },
)
