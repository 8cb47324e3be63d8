"""Layers that join inputs, and layers that only change shapes."""

from functools import reduce

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import (
    LAYERS,
    Add,
    Average,
    Concatenate,
    Dense,
    Flatten,
    Maximum,
    Minimum,
    Multiply,
    Permute,
    Reshape,
    Subtract,
)
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

DEFINITIONS = {
    "add": (3, lambda *x: sum(x)),
    "average": (3, lambda *x: sum(x) / len(x)),
    "maximum": (2, np.maximum),
    "minimum": (2, np.minimum),
    "multiply": (3, lambda *x: reduce(np.multiply, x)),
    "subtract": (2, np.subtract),
}
by_name = pytest.mark.parametrize("name", DEFINITIONS)


def values(count, *shape, seed=1):
    generator = np.random.default_rng(seed)
    return {f"x{i}": generator.standard_normal(shape) for i in range(count)}


def merge(name, count):
    return LAYERS[name](inputs=tuple(f"x{i}" for i in range(count)))


@by_name
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (3, 2, 9)], ids=str)
def test_the_output_is_numpys(name, shape):
    most, definition = DEFINITIONS[name]
    for count in range(2, most + 1):
        inputs = values(count, *shape)
        result = Network([merge(name, count)], inputs, training=False, gradients=False).run()
        np.testing.assert_allclose(result.outputs, definition(*inputs.values()), rtol=1e-14)


@by_name
def test_gradients_are_central_differences(name):
    count, _ = DEFINITIONS[name]
    check_gradients(Network([merge(name, count), Flatten(), Dense(units=2)], values(count, 4, 3, 2)))


@by_name
def test_an_input_may_be_taken_twice(name):
    layers = [Dense(units=4, name="h"), LAYERS[name](inputs=("h", "h")), Dense(units=2)]
    check_gradients(Network(layers, values(1, 3, 5)))


def test_skip_connections():
    layers = [
        Dense(units=6, name="start", activation="tanh"),
        Dense(units=6, activation="relu"),
        Dense(units=6, name="end"),
        Add(inputs=("start", "end")),
        LAYERS["relu"](),
        Multiply(inputs=("relu_1", "start")),
        Dense(units=2),
    ]
    check_gradients(Network(layers, values(1, 4, 5)))
    same_bits_on_threads(layers, values(1, 7, 5))


@by_name
def test_bits_do_not_depend_on_threads(name):
    count, _ = DEFINITIONS[name]
    same_bits_on_threads([merge(name, count)], values(count, 7, 13))


def test_the_larger_of_nan_is_nan():
    for layer in (Maximum, Minimum):
        inputs = {"x0": np.array([[np.nan, 1.0]]), "x1": np.array([[1.0, np.nan]])}
        result = Network([layer(inputs=("x0", "x1"))], inputs, training=False, gradients=False).run()
        assert np.isnan(result.outputs).all()


@pytest.mark.parametrize("count", [1, 3])
def test_numbers_of_inputs_that_do_not_fit_are_refused(count):
    with pytest.raises(ConfigError, match="subtract takes 2 inputs"):
        Network([merge("subtract", count)], values(count, 2, 3))
    if count == 1:
        with pytest.raises(ConfigError, match="add takes 2 or more inputs, got 1"):
            Network([Add()], values(1, 2, 3))


def test_inputs_of_other_shapes_are_refused():
    inputs = {"x0": np.zeros((2, 3)), "x1": np.zeros((2, 4))}
    with pytest.raises(ConfigError, match=r"average needs inputs of one shape, got \(3,\), \(4,\)"):
        Network([Average(inputs=("x0", "x1"))], inputs)


@pytest.mark.parametrize(("axis", "shapes"), [
    (-1, [(3,), (1,), (7,)]),
    (1, [(3,), (2,)]),
    (-1, [(4, 2, 3), (4, 2, 5)]),
    (3, [(4, 2, 3), (4, 2, 5)]),
    (2, [(4, 2, 3), (4, 1, 3), (4, 5, 3)]),
    (-3, [(1, 2, 3), (4, 2, 3)]),
])  # fmt: skip
def test_concatenate_is_numpys_and_its_gradient_is_taken_apart(axis, shapes):
    generator = np.random.default_rng(2)
    inputs = {f"x{i}": generator.standard_normal((5, *shape)) for i, shape in enumerate(shapes)}
    layer = Concatenate(axis=axis, inputs=tuple(inputs))
    network = Network([layer], inputs)
    result = network.run()
    np.testing.assert_array_equal(result.outputs, np.concatenate(list(inputs.values()), axis))
    ends = np.cumsum([x.shape[axis] for x in inputs.values()])[:-1]
    parts = np.split(network.coefficients / 5, ends, axis)
    for name, part in zip(inputs, parts, strict=True):
        np.testing.assert_allclose(result.input_gradients[name], part, rtol=1e-14)
    same_bits_on_threads([layer], inputs, threads=(1, 3))


def test_concatenate_of_layers():
    layers = [
        Dense(units=3, name="a", inputs=("x0",)),
        Dense(units=4, name="b", inputs=("x1",), activation="relu"),
        Concatenate(inputs=("a", "b", "a")),
        Dense(units=2),
    ]
    check_gradients(Network(layers, values(2, 4, 5)))


@pytest.mark.parametrize(("axis", "message"), [(0, "axis must be 1 to 2"), (3, "axis must be"), (-3, "axis must be")])
def test_concatenate_refuses_axes_that_are_not_there(axis, message):
    with pytest.raises(ConfigError, match=message):
        Network([Concatenate(axis=axis, inputs=("x0", "x1"))], values(2, 3, 4, 5))


def test_concatenate_refuses_inputs_that_do_not_fit():
    inputs = {"x0": np.zeros((2, 3, 4)), "x1": np.zeros((2, 4, 4)), "x2": np.zeros((2, 4))}
    for names in (("x0", "x1"), ("x0", "x2"), ("x2", "x0")):
        with pytest.raises(ConfigError, match="agree in all but axis -1"):
            Network([Concatenate(inputs=names)], inputs)


@pytest.mark.parametrize(
    ("target", "shape"), [((6,), (6,)), ((2, 3), (2, 3)), ((-1, 2), (3, 2)), ((1, -1, 1), (1, 6, 1))]
)
def test_reshape_keeps_the_numbers_in_order_and_calls_nothing(target, shape):
    inputs = values(1, 4, 3, 2)
    network = Network([Reshape(target_shape=target)], inputs, training=False, gradients=False)
    np.testing.assert_array_equal(network.run().outputs, inputs["x0"].reshape(4, *shape))
    assert not [call for call in network.plan.calls if call.node.startswith("reshape")]


@pytest.mark.parametrize(("target", "message"), [
    ((5,), "holds 6 numbers, which don't fit into"),
    ((-1, 4), "don't fit"),
    ((-1, -1), "more than one -1"),
    ((0, 6), "extent of 0"),
])  # fmt: skip
def test_reshape_refuses_shapes_that_do_not_fit(target, message):
    with pytest.raises(ConfigError, match=message):
        Network([Reshape(target_shape=target)], values(1, 4, 3, 2))


def test_reshape_passes_gradients():
    layers = [Dense(units=6), Reshape(target_shape=(2, 3)), Permute(dims=(2, 1)), Flatten(), Dense(units=2)]
    check_gradients(Network(layers, values(1, 4, 3)))


@pytest.mark.parametrize("dims", [(1,), (2, 1), (3, 1, 2), (2, 3, 1), (1, 3, 2), (4, 2, 3, 1)], ids=str)
def test_permute_is_numpys_transpose_there_and_back(dims):
    x = np.random.default_rng(3).standard_normal((5, *(2, 3, 4, 5)[: len(dims)]))
    network = Network([Permute(dims=dims)], x)
    result = network.run()
    np.testing.assert_array_equal(result.outputs, x.transpose(0, *dims))
    back = network.coefficients.transpose(0, *(1 + np.argsort(dims))) / 5
    np.testing.assert_allclose(result.input_gradients["x"], back, rtol=1e-14)
    same_bits_on_threads([Permute(dims=dims)], x, threads=(1, 3))
    batch_equals_samples([Permute(dims=dims)], x)


@pytest.mark.parametrize("dims", [(0, 1), (1, 1), (1, 2, 3), (2,)], ids=str)
def test_permute_refuses_what_is_no_order_of_the_axes(dims):
    with pytest.raises(ConfigError, match="dims must name each of the axes 1 to 2"):
        Network([Permute(dims=dims)], values(1, 4, 3, 2))


def test_subtract_takes_the_second_from_the_first():
    inputs = {"x0": np.array([[5.0]]), "x1": np.array([[3.0]])}
    assert Network([Subtract(inputs=("x0", "x1"))], inputs, training=False, gradients=False).run().outputs == 2
