"""The LSTM beside PyTorch's, and its starting bias."""

import numpy as np
import pytest
from pydantic import ValidationError

from dlrun.layers import LSTM
from tests.support.network import Network
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


@pytest.mark.parametrize("bidirectional", [False, True])
def test_parity_with_pytorch(bidirectional):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    module = torch.nn.LSTM(6, 5, batch_first=True, bidirectional=bidirectional, dtype=torch.float64)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith("bias_hh"):
                parameter.zero_()
    layer = LSTM(units=5, return_sequences=True, bidirectional=bidirectional, bias_initializer="random_normal")
    check_parity(layer, module, to_torch)


def test_the_forget_gate_begins_open():
    x = np.zeros((1, 2, 3))
    bias = Network([LSTM(name="a", units=2)], x).run().variables["a/bias"]
    assert bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    bias = Network([LSTM(name="a", units=2, bias_initializer="ones")], x).run().variables["a/bias"]
    assert bias.tolist() == [1] * 8
    bias = Network([LSTM(name="a", units=2, unit_forget_bias=False)], x).run().variables["a/bias"]
    assert not bias.any()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("bias", [-1e3, 1e3])
def test_gradients_of_gates_that_are_shut_or_wide_open(precision, bias):
    """On the way back tanh c is h / o: an output gate of 0, as float64 has it, lets nothing through."""
    x = np.random.default_rng(0).standard_normal((3, 5, 4))
    network = Network([LSTM(name="a", units=2)], x, precision)
    network.executor.array("a/bias")[6:] = bias
    result = network.run()
    assert all(np.isfinite(gradient).all() for gradient in result.gradients.values())
    np.testing.assert_allclose(result.gradients["a/bias"][6:], 0, atol=1e-6)
    assert np.abs(result.gradients["a/bias"][:6]).max() < 1e-6 if bias < 0 else result.gradients["a/bias"][:6].any()


def test_other_activations_are_refused():
    with pytest.raises(ValidationError, match="'tanh'"):
        LSTM(units=2, activation="relu")
    with pytest.raises(ValidationError, match="'sigmoid'"):
        LSTM(units=2, recurrent_activation="hard_sigmoid")
