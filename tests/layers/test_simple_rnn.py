"""The plain recurrent layer beside PyTorch's, with both of its activations."""

import numpy as np
import pytest

from dlrun.kernels.lang import In, Out, Size, kernel
from dlrun.kernels.recurrent import sigmoid, tanh
from dlrun.layers import SimpleRNN
from tests.support.kernels import call_kernel
from tests.support.recurrent_torch import check_parity


def to_torch(name, array):
    suffix = "_l0_reverse" if name.startswith("backward_") else "_l0"
    match name.removeprefix("forward_").removeprefix("backward_"):
        case "kernel":
            return {f"weight_ih{suffix}": array.T}
        case "recurrent_kernel":
            return {f"weight_hh{suffix}": array.T}
        case _:
            return {f"bias_ih{suffix}": array}


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_parity_with_pytorch(activation, bidirectional):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    module = torch.nn.RNN(
        6, 5, batch_first=True, bidirectional=bidirectional, nonlinearity=activation, dtype=torch.float64
    )
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith("bias_hh"):
                parameter.zero_()
    layer = SimpleRNN(
        units=5, activation=activation, return_sequences=True, bidirectional=bidirectional,
        bias_initializer="random_normal",
    )  # fmt: skip
    check_parity(layer, module, to_torch)


@kernel
def gate_functions(x: In, s: Out, t: Out, size: Size) -> None:
    for i in range(size):
        s[i] = sigmoid(x[i])
        t[i] = tanh(x[i])


def test_the_functions_of_gates_keep_their_bounds():
    x = np.concatenate([np.linspace(-12, 12, 1_000_003), np.logspace(-30, 38, 100_003), [0, np.inf]]).astype(np.float32)
    x = np.concatenate([x, -x])
    s, t = np.zeros_like(x), np.zeros_like(x)
    call_kernel(gate_functions, x=x, s=s, t=t, size=len(x))
    exact = x.astype(np.float64)
    true_t, true_s = np.tanh(exact), 0.5 + 0.5 * np.tanh(exact / 2)
    assert (np.abs(t - true_t) <= 6 * np.spacing(np.abs(true_t).astype(np.float32))).all()
    assert (np.abs(s - true_s) <= 2e-7).all()
    assert np.abs(t).max() <= 1
    assert s.min() >= 0
    assert s.max() <= 1
    nan = np.full(8, np.nan, np.float32)
    call_kernel(gate_functions, x=nan, s=s, t=t, size=8)
    assert np.isnan(s[:8]).all()
    assert np.isnan(t[:8]).all()
