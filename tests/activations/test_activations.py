"""Every activation against its definition, PyTorch, central differences, and itself in place and on other threads."""

import math

import numpy as np
import pytest

from dlrun.activations import ACTIVATIONS
from dlrun.config.docs import field_text
from dlrun.layers import LAYERS, Dense, Layer
from dlrun.layers.activation import ActivationLayer
from dlrun.registry import ChosenBy
from tests.support.kernels import call_kernel
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def elu(x, alpha):
    return np.where(x > 0, x, alpha * (np.exp(x) - 1))


erf = np.vectorize(math.erf)

DEFINITIONS = {
    "elu": ({"alpha": 0.7}, lambda x: elu(x, 0.7)),
    "exponential": ({}, np.exp),
    "gelu": ({}, lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    "gelu approximate": (
        {"approximate": True},
        lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    ),
    "hard_sigmoid": ({}, lambda x: np.clip(x + 3, 0, 6) / 6),
    "hard_silu": ({}, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "hard_tanh": ({}, lambda x: np.clip(x, -1, 1)),
    "leaky_relu": ({"negative_slope": 0.1}, lambda x: np.where(x > 0, x, 0.1 * x)),
    "mish": ({}, lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "relu": ({}, lambda x: np.maximum(x, 0)),
    "relu6": ({}, lambda x: np.clip(x, 0, 6)),
    "selu": ({}, lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772)),
    "sigmoid": ({}, sigmoid),
    "silu": ({}, lambda x: x * sigmoid(x)),
    "softmax": ({}, softmax),
    "softplus": ({}, lambda x: np.log1p(np.exp(x))),
    "tanh": ({}, np.tanh),
}
TORCH = {
    "elu": lambda f, x: f.elu(x, 0.7),
    "exponential": lambda f, x: x.exp(),
    "gelu": lambda f, x: f.gelu(x),
    "gelu approximate": lambda f, x: f.gelu(x, approximate="tanh"),
    "hard_sigmoid": lambda f, x: f.hardsigmoid(x),
    "hard_silu": lambda f, x: f.hardswish(x),
    "hard_tanh": lambda f, x: f.hardtanh(x),
    "leaky_relu": lambda f, x: f.leaky_relu(x, 0.1),
    "mish": lambda f, x: f.mish(x),
    "relu": lambda f, x: f.relu(x),
    "relu6": lambda f, x: f.relu6(x),
    "selu": lambda f, x: f.selu(x),
    "sigmoid": lambda f, x: f.sigmoid(x),
    "silu": lambda f, x: f.silu(x),
    "softmax": lambda f, x: f.softmax(x, -1),
    "softplus": lambda f, x: f.softplus(x, threshold=100),
    "tanh": lambda f, x: f.tanh(x),
}
by_name = pytest.mark.parametrize("name", DEFINITIONS)


def layer(name):
    return LAYERS[name.split()[0]](**DEFINITIONS[name][0])


def values(*shape, scale=2.0, seed=1):
    """Normal values that keep clear of the kinks at 0, ±1, ±3 and 6, for central differences."""
    x = np.random.default_rng(seed).standard_normal(shape) * scale
    for kink in (0, 1, -1, 3, -3, 6):
        x += np.where(np.abs(x - kink) < 1e-3, 0.01, 0)
    return x


def test_every_activation_is_tested():
    assert {name.split()[0] for name in DEFINITIONS} == set(ACTIVATIONS.names) - {"linear"}


@by_name
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 2e-6), ("float64", 1e-13)])
def test_forward_is_the_definition(name, precision, tolerance):
    x = values(7, 13, scale=3.0)
    y = Network([layer(name)], x, precision, training=False, gradients=False).run().outputs
    np.testing.assert_allclose(y, DEFINITIONS[name][1](x), rtol=tolerance, atol=tolerance)


@by_name
def test_forward_and_gradient_are_pytorchs(name):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = np.concatenate([values(5, 17, scale=4.0), np.full((1, 17), 0.0), np.linspace(-60, 60, 17)[None]])
    if name == "exponential":
        x /= 8
    network = Network([layer(name)], x)
    result = network.run()
    leaf = torch.tensor(x, requires_grad=True)
    expected = TORCH[name](torch.nn.functional, leaf)
    (expected * torch.tensor(network.coefficients)).sum().div(len(x)).backward()
    np.testing.assert_allclose(result.outputs, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    tolerance = 1e-7 if name.startswith("hard_") else 1e-12  # PyTorch's sixth is a float32
    np.testing.assert_allclose(result.input_gradients["x"], leaf.grad.numpy(), rtol=tolerance, atol=1e-14)


@by_name
def test_gradients_are_central_differences_in_place_and_not(name):
    check_gradients(Network([layer(name), Dense(units=2)], values(4, 9)))
    check_gradients(Network([Dense(units=6, use_bias=False), layer(name), Dense(units=2)], values(3, 5, seed=2)))


@by_name
def test_bits_do_not_depend_on_threads_or_company(name):
    same_bits_on_threads([Dense(units=9), layer(name), Dense(units=2)], values(7, 5), threads=(1, 3))
    batch_equals_samples([Dense(units=9), layer(name)], values(4, 5))


@pytest.mark.parametrize("name", sorted(set(DEFINITIONS) - {"softmax"}))
def test_nan_passes_and_infinities_reach_the_limits(name):
    x = np.array([[np.nan, np.inf, 100.0, -100.0]], np.float32)
    y = Network([layer(name)], x, "float32", training=False, gradients=False).run().outputs[0]
    assert np.isnan(y[0])
    assert not np.isnan(y[1:]).any()
    with np.errstate(over="ignore", invalid="ignore"):
        expected = DEFINITIONS[name][1](x[0, 2:].astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(y[2:], expected, atol=1e-30)


@by_name
def test_kernels_run_in_place_with_the_same_bits(name):
    function, x = layer(name).function, values(3, 40).astype(np.float32)
    arguments = {"rows": 3, "size": 40, "thread": 0, "threads": 1}
    arguments |= {field: float(getattr(function, field)) for field in function.parameters}
    arguments |= {"width": 40} if function.along_last_axis else {}
    y, dx, dy = np.zeros_like(x), np.zeros_like(x), values(3, 40, seed=3).astype(np.float32)
    call_kernel(function.forward, x=x, y=y, **arguments)
    call_kernel(function.backward, saved=y if function.saves == "output" else x, dy=dy, dx=dx, **arguments)
    in_place, gradient = x.copy(), dy.copy()
    call_kernel(function.forward, x=in_place, y=in_place, **arguments)
    saved = in_place if function.saves == "output" else x
    call_kernel(function.backward, saved=saved, dy=gradient, dx=gradient, **arguments)
    np.testing.assert_array_equal(in_place, y)
    np.testing.assert_array_equal(gradient, dx)


def test_softmax_works_along_the_last_axis_and_does_not_overflow():
    x = np.array([[[1000.0, 1000.0], [-1000.0, 0.0]]], np.float32)
    y = Network([LAYERS["softmax"]()], x, "float32", training=False, gradients=False).run().outputs
    np.testing.assert_array_equal(y, [[[0.5, 0.5], [0.0, 1.0]]])


@by_name
def test_as_a_layer_of_its_own_as_activation_layer_and_as_a_field(name):
    own, x = layer(name), values(2, 5)
    through_field = Dense(units=4, activation=own.function)
    layers = [[Dense(units=4), own], [Dense(units=4), ActivationLayer(activation=own.function)], [through_field]]
    outputs = [Network(each, x).run().outputs for each in layers]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])


def test_layers_named_by_activations_are_chosen_like_any_layer():
    choice = ChosenBy(LAYERS)
    assert choice.validate("relu").type == "relu"
    assert choice.validate({"type": "elu", "alpha": 0.5, "name": "bend"}).function.alpha == 0.5
    assert choice.validate("swish").type == "silu"
    assert choice.validate("hard_swish").type == "hard_silu"
    with pytest.raises(ValueError, match="alpha"):
        choice.validate({"type": "elu", "alpha": -1.0})


def test_fields_of_activation_layers_are_documented():
    for component in LAYERS:
        assert issubclass(component, Layer)
        if component.type_name() in ACTIVATIONS:
            assert component.__doc__ == ACTIVATIONS[component.type_name()].__doc__
            assert all(field_text(component, name) for name in component.model_fields if name != "type")
