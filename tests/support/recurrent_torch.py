"""Recurrent layers beside PyTorch's, with the same weights."""

import numpy as np
import pytest

from tests.support.network import Network


def check_parity(layer, module, to_torch):
    """Compare outputs and gradients of a layer with those of a PyTorch module in float64.

    `to_torch(name, array)` gives the parameters of the module, by name, that a variable of the layer becomes.
    """
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = np.random.default_rng(3).standard_normal((5, 14, 6))
    network = Network([layer], x)
    result = network.run()
    with torch.no_grad():
        for name, array in result.variables.items():
            for parameter, value in to_torch(name.split("/")[1], array).items():
                getattr(module, parameter).copy_(torch.tensor(value))
    given = torch.tensor(x, requires_grad=True)
    expected = module(given)[0]
    np.testing.assert_allclose(result.outputs, expected.detach().numpy(), atol=1e-12)
    (expected * torch.tensor(network.coefficients)).sum().div(len(x)).backward()
    np.testing.assert_allclose(result.input_gradients["x"], given.grad.numpy(), atol=1e-12)
    for name, array in result.gradients.items():
        for parameter, value in to_torch(name.split("/")[1], array).items():
            np.testing.assert_allclose(value, getattr(module, parameter).grad.numpy(), atol=1e-12, err_msg=parameter)
