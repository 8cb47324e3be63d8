"""The activations, one file each, and their registry."""

from dlrun.activations.base import Activation as Activation
from dlrun.activations.elu import Elu
from dlrun.activations.exponential import Exponential
from dlrun.activations.gelu import Gelu
from dlrun.activations.hard_sigmoid import HardSigmoid
from dlrun.activations.hard_silu import HardSilu
from dlrun.activations.hard_tanh import HardTanh
from dlrun.activations.leaky_relu import LeakyRelu
from dlrun.activations.linear import Linear
from dlrun.activations.mish import Mish
from dlrun.activations.relu import Relu
from dlrun.activations.relu6 import Relu6
from dlrun.activations.selu import Selu
from dlrun.activations.sigmoid import Sigmoid
from dlrun.activations.silu import Silu
from dlrun.activations.softmax import Softmax
from dlrun.activations.softplus import Softplus
from dlrun.activations.tanh import Tanh
from dlrun.registry import Registry

ACTIVATIONS: Registry[Activation] = Registry(
    "activation",
    (
        Elu, Exponential, Gelu, HardSigmoid, HardSilu, HardTanh, LeakyRelu, Linear, Mish, Relu, Relu6, Selu, Sigmoid,
        Silu, Softmax, Softplus, Tanh,
    ),
    synonyms={"hard_swish": "hard_silu", "swish": "silu"},
)  # fmt: skip
