"""Penalties and constraints, as the optimizer applies them."""

import numpy as np
import pytest

from dlrun.kernels.updates import BLOCK
from dlrun.layers import Conv2D, Dense
from dlrun.optimizers import OPTIMIZERS
from dlrun.plan import Buffer
from dlrun.registry import ChosenBy
from dlrun.regularizers import CONSTRAINTS, REGULARIZERS
from tests.optimizers.harness import Trainer
from tests.support.kernels import call_kernel

RATE = 0.1
SHAPES = {"matrix": (7, 70), "filters": (3, 2, 4, 5), "vector": (9,)}
generator = np.random.default_rng(0)
START = {name: generator.standard_normal(shape) for name, shape in SHAPES.items()}
START["matrix"][2, 3] = 0.0
GRADIENTS = {name: generator.standard_normal((3, *shape)) for name, shape in SHAPES.items()}

PENALTIES = {
    "l1": ({"l1": 0.3}, 0.3, 0.0),
    "l2": ({"l2": 0.2}, 0.0, 0.2),
    "l1_l2": ({"l1": 0.3, "l2": 0.2}, 0.3, 0.2),
}


def train(precision="float64", threads=2, **options):
    sgd = OPTIMIZERS["sgd"](learning_rate=RATE)
    weights = Trainer(sgd, START, GRADIENTS, precision, threads, **dict.fromkeys(SHAPES, options)).run(3)
    return {name: weights[name].reshape(shape) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("name", PENALTIES)
def test_the_penaltys_gradient_is_added(name):
    fields, l1, l2 = PENALTIES[name]
    found = train(regularizer=REGULARIZERS[name](**fields))
    for key, w in START.items():
        for g in GRADIENTS[key]:
            w = w - RATE * (g + l1 * np.sign(w) + 2 * l2 * w)
        np.testing.assert_allclose(found[key], w, rtol=1e-12)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", PENALTIES)
def test_the_penalty_is_summed_by_blocks_in_float64(name, precision):
    fields, l1, l2 = PENALTIES[name]
    w = np.random.default_rng(1).standard_normal(2 * BLOCK).astype(precision)
    step = REGULARIZERS[name](**fields).penalty(Buffer("sums", 2, "work", "float64"))
    numbers = {field: value for field, value in step.arguments.items() if field != "sums"}
    sums = np.zeros(2)
    call_kernel(step.kernel, precision, sums=sums, start=BLOCK, count=1000, gradient=w, **numbers)
    part = w[:1000].astype(np.float64)
    np.testing.assert_allclose(sums, [0, l1 * np.abs(part).sum() + l2 * (part**2).sum()], rtol=1e-7)


def columns(w):
    return w.reshape(-1, w.shape[-1]) if w.ndim > 1 else w.reshape(-1, 1)


def limited(w, least, most):
    norms = np.linalg.norm(columns(w), axis=0)
    return (columns(w) * (np.clip(norms, least, most) / norms)).reshape(w.shape)


CONSTRAINED = {
    "max_norm": ({"max_value": 1.5}, lambda w: limited(w, 0, 1.5)),
    "min_max_norm": ({"min_value": 2.0, "max_value": 2.5}, lambda w: limited(w, 2.0, 2.5)),
    "non_neg": ({}, lambda w: np.maximum(w, 0)),
    "unit_norm": ({}, lambda w: limited(w, 1, 1)),
}


def test_every_component_is_tested():
    assert set(PENALTIES) == set(REGULARIZERS.names)
    assert set(CONSTRAINED) == set(CONSTRAINTS.names)


@pytest.mark.parametrize("name", CONSTRAINED)
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_the_constraint_holds_after_each_update(name, precision, tolerance):
    fields, definition = CONSTRAINED[name]
    found = train(precision, constraint=CONSTRAINTS[name](**fields))
    for key, w in START.items():
        for g in GRADIENTS[key]:
            w = definition(w - RATE * g)
        np.testing.assert_allclose(found[key], w, rtol=tolerance, atol=tolerance)


def test_weights_within_the_limits_keep_their_bits_and_zeros_stay():
    free = train("float32")
    bound = train("float32", constraint=CONSTRAINTS["max_norm"](max_value=1000.0))
    for key in SHAPES:
        np.testing.assert_array_equal(free[key], bound[key])
    kernel = CONSTRAINTS["unit_norm"]
    zeros, still = {"w": np.zeros((3, 2))}, {"w": np.zeros((1, 3, 2))}
    assert not Trainer(OPTIMIZERS["sgd"](), zeros, still, w={"constraint": kernel()}).run(1)["w"].any()


@pytest.mark.parametrize("name", CONSTRAINED)
def test_bits_do_not_depend_on_threads(name):
    options = {"constraint": CONSTRAINTS[name](), "regularizer": REGULARIZERS["l1_l2"]()}
    one, three = train("float32", 1, **options), train("float32", 3, **options)
    for key in SHAPES:
        np.testing.assert_array_equal(one[key], three[key])


def test_layers_take_them_by_name():
    dense = Dense(units=3, kernel_regularizer={"type": "l2", "l2": 1e-4}, kernel_constraint="max_norm")
    kernel, bias = dense.variables((4,))
    assert kernel.regularizer.l2 == 1e-4
    assert kernel.constraint.max_value == 2.0
    assert bias.regularizer is None
    conv = Conv2D(filters=2, kernel_size=3, kernel_regularizer="l1")
    assert conv.variables((5, 5, 1))[0].regularizer.l1 == 0.01


@pytest.mark.parametrize(("name", "fields", "message"), [
    ("l2", {"l2": -1.0}, "l2"),
    ("max_norm", {"max_value": 0.0}, "max_value"),
    ("min_max_norm", {"min_value": 2.0, "max_value": 1.0}, "min_value is greater than max_value"),
])  # fmt: skip
def test_values_that_make_no_sense_are_refused(name, fields, message):
    registry = REGULARIZERS if name in REGULARIZERS else CONSTRAINTS
    with pytest.raises(ValueError, match=message):
        ChosenBy(registry).validate({"type": name, **fields})
