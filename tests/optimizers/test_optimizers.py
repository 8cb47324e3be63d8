"""Every optimizer against torch.optim where the formulas agree, and against its formula in NumPy."""

import numpy as np
import pytest

from dlrun.optimizers import OPTIMIZERS
from tests.optimizers.harness import Trainer

STEPS = 20
generator = np.random.default_rng(0)
START = {"kernel": generator.standard_normal((11, 7)), "bias": generator.standard_normal(7)}
GRADIENTS = {name: generator.standard_normal((STEPS, *w.shape)) for name, w in START.items()}

RMSPROP = {"lr": 1e-3, "alpha": 0.9, "eps": 0}
TORCH = {
    "sgd": ({}, "SGD", {"lr": 0.01}),
    "sgd, momentum": ({"momentum": 0.9}, "SGD", {"lr": 0.01, "momentum": 0.9}),
    "sgd, nesterov": ({"momentum": 0.9, "nesterov": True}, "SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    "adam": ({}, "Adam", {}),
    "adam, betas": ({"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}, "Adam", {"betas": (0.8, 0.9), "eps": 1e-3}),
    "adam, amsgrad": ({"amsgrad": True, "beta_2": 0.5}, "Adam", {"amsgrad": True, "betas": (0.9, 0.5)}),
    "adam, weight decay": ({"weight_decay": 0.1}, "AdamW", {"weight_decay": 0.1}),
    "adamw": ({}, "AdamW", {"weight_decay": 0.004}),
    "nadam": ({}, "NAdam", {"lr": 1e-3}),
    "nadam, as Keras": ({"momentum_decay": 1}, "NAdam", {"lr": 1e-3, "momentum_decay": 1}),
    "rmsprop": ({"epsilon": 0}, "RMSprop", RMSPROP),
    "rmsprop, momentum": ({"epsilon": 0, "momentum": 0.5}, "RMSprop", {**RMSPROP, "momentum": 0.5}),
    "rmsprop, centered": ({"epsilon": 0, "centered": True}, "RMSprop", {**RMSPROP, "centered": True}),
    "adagrad": ({"epsilon": 0}, "Adagrad", {"lr": 1e-3, "eps": 0, "initial_accumulator_value": 0.1}),
    "adadelta": ({"learning_rate": 1.0}, "Adadelta", {"rho": 0.95, "eps": 1e-7}),
}


def train(optimizer, **options):
    return Trainer(optimizer, START, GRADIENTS, **options).run(STEPS)


def train_torch(name, options):
    torch = pytest.importorskip("torch", reason="PyTorch is what the optimizers are compared with")
    variables = {name: torch.tensor(w, requires_grad=True) for name, w in START.items()}
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # NAdam keeps a product of its own in it
    optimizer = getattr(torch.optim, name)(variables.values(), **options)
    try:
        step_torch(torch, optimizer, variables)
    finally:
        torch.set_default_dtype(before)
    return {key: variable.detach().numpy().ravel() for key, variable in variables.items()}


def step_torch(torch, optimizer, variables):
    for step in range(STEPS):
        for key, variable in variables.items():
            variable.grad = torch.tensor(GRADIENTS[key][step])
        optimizer.step()


@pytest.mark.parametrize("case", TORCH)
def test_weights_are_those_of_torch(case):
    fields, torch_name, torch_options = TORCH[case]
    result = train(OPTIMIZERS[case.split(",")[0]](**fields))
    for name, expected in train_torch(torch_name, torch_options).items():
        np.testing.assert_allclose(result[name], expected, rtol=1e-12, atol=1e-12)


def rmsprop(w, g, state, rate=1e-3, rho=0.9, epsilon=0.01, momentum=0.5):
    state["v"] = rho * state.get("v", 0) + (1 - rho) * g * g
    state["a"] = rho * state.get("a", 0) + (1 - rho) * g
    state["b"] = momentum * state.get("b", 0) + rate * g / np.sqrt(state["v"] - state["a"] ** 2 + epsilon)
    return w - state["b"]


def adagrad(w, g, state, rate=1e-3, epsilon=0.01):
    state["s"] = state.get("s", 0.1) + g * g
    return w - rate * g / np.sqrt(state["s"] + epsilon)


def lion(w, g, state, rate=1e-3, beta_1=0.9, beta_2=0.99):
    m = state.get("m", 0)
    state["m"] = beta_2 * m + (1 - beta_2) * g
    return w - rate * np.sign(beta_1 * m + (1 - beta_1) * g)


FORMULAS = {
    "rmsprop": (rmsprop, {"epsilon": 0.01, "momentum": 0.5, "centered": True}),
    "adagrad": (adagrad, {"epsilon": 0.01}),
    "lion": (lion, {}),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_weights_are_those_of_the_formula(name):
    formula, fields = FORMULAS[name]
    result = train(OPTIMIZERS[name](**fields))
    for key, w in START.items():
        state = {}
        for g in GRADIENTS[key]:
            w = formula(w, g, state)
        np.testing.assert_allclose(result[key], w.ravel(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("component", list(OPTIMIZERS), ids=lambda component: component.type_name())
def test_bits_depend_neither_on_threads_nor_on_interruptions(component):
    first = train(component(weight_decay=0.1), precision="float32", threads=1)
    for threads in (2, 3, 4):
        trainer = Trainer(component(weight_decay=0.1), START, GRADIENTS, "float32", threads)
        trainer.run(7)
        result = trainer.run(STEPS - 7)
        for name, array in first.items():
            assert np.isfinite(array).all()
            assert np.array_equal(array, result[name])


@pytest.mark.parametrize("component", list(OPTIMIZERS), ids=lambda component: component.type_name())
def test_float32_is_close_to_float64(component):
    exact, rough = train(component()), train(component(), precision="float32")
    for name, array in exact.items():
        np.testing.assert_allclose(rough[name], array, rtol=1e-4, atol=1e-5)


def test_rates_follow_the_schedule():
    rates = np.linspace(0.1, 0.01, STEPS)
    result = Trainer(OPTIMIZERS["sgd"](), START, GRADIENTS).run(STEPS, rates)
    expected = START["bias"] - np.tensordot(rates, GRADIENTS["bias"], 1)
    np.testing.assert_allclose(result["bias"], expected, rtol=1e-12)
