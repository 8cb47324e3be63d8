"""The activations, one file each, and their registry."""

from dlrun.activations.base import Activation as Activation
from dlrun.registry import Registry

ACTIVATIONS: Registry[Activation] = Registry(
    "activation",
    {
        "elu": "elu:Elu",
        "exponential": "exponential:Exponential",
        "gelu": "gelu:Gelu",
        "hard_sigmoid": "hard_sigmoid:HardSigmoid",
        "hard_silu": "hard_silu:HardSilu",
        "hard_tanh": "hard_tanh:HardTanh",
        "leaky_relu": "leaky_relu:LeakyRelu",
        "linear": "linear:Linear",
        "mish": "mish:Mish",
        "relu": "relu:Relu",
        "relu6": "relu6:Relu6",
        "selu": "selu:Selu",
        "sigmoid": "sigmoid:Sigmoid",
        "silu": "silu:Silu",
        "softmax": "softmax:Softmax",
        "softplus": "softplus:Softplus",
        "tanh": "tanh:Tanh",
    },
    synonyms={"hard_swish": "hard_silu", "swish": "silu"},
    package=__name__,
)


def __getattr__(name: str) -> type[Activation]:
    return ACTIVATIONS.attribute(name)
