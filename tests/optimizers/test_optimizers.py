"""Every optimizer against torch.optim where the formulas agree, else against its formula in NumPy."""

import numpy as np
import pytest

from dlrun.optimizers import OPTIMIZERS
from tests.optimizers.harness import Trainer

STEPS = 20
generator = np.random.default_rng(0)
START = {"kernel": generator.standard_normal((11, 7)), "bias": generator.standard_normal(7)}
GRADIENTS = {name: generator.standard_normal((STEPS, *w.shape)) for name, w in START.items()}

TORCH = {
    "sgd": ({}, "SGD", {"lr": 0.01}),
    "sgd, momentum": ({"momentum": 0.9}, "SGD", {"lr": 0.01, "momentum": 0.9}),
    "sgd, nesterov": ({"momentum": 0.9, "nesterov": True}, "SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    "adam": ({}, "Adam", {}),
    "adam, betas": ({"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}, "Adam", {"betas": (0.8, 0.9), "eps": 1e-3}),
    "adam, amsgrad": ({"amsgrad": True, "beta_2": 0.5}, "Adam", {"amsgrad": True, "betas": (0.9, 0.5)}),
}  # fmt: skip


def train(optimizer, **options):
    return Trainer(optimizer, START, GRADIENTS, **options).run(STEPS)


def train_torch(name, options):
    torch = pytest.importorskip("torch", reason="PyTorch is what the optimizers are compared with")
    variables = {name: torch.tensor(w, requires_grad=True) for name, w in START.items()}
    optimizer = getattr(torch.optim, name)(variables.values(), **options)
    for step in range(STEPS):
        for key, variable in variables.items():
            variable.grad = torch.tensor(GRADIENTS[key][step])
        optimizer.step()
    return {key: variable.detach().numpy().ravel() for key, variable in variables.items()}


@pytest.mark.parametrize(("case"), TORCH)
def test_weights_are_those_of_torch(case):
    fields, torch_name, torch_options = TORCH[case]
    result = train(OPTIMIZERS[case.split(",")[0]](**fields))
    for name, expected in train_torch(torch_name, torch_options).items():
        np.testing.assert_allclose(result[name], expected, rtol=1e-12, atol=1e-12)
