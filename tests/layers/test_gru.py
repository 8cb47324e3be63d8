"""The GRU beside PyTorch's."""

import numpy as np
import pytest

from dlrun.layers import GRU
from tests.support.recurrent_torch import check_parity


def gates(array):
    """The columns of update, reset and candidate in PyTorch's order: reset, update, candidate."""
    update, reset, candidate = np.split(array, 3, -1)
    return np.concatenate([reset, update, candidate], -1)


def to_torch(name, array):
    suffix = "_l0_reverse" if name.startswith("backward_") else "_l0"
    match name.removeprefix("forward_").removeprefix("backward_"):
        case "kernel":
            return {f"weight_ih{suffix}": gates(array).T}
        case "recurrent_kernel":
            return {f"weight_hh{suffix}": gates(array).T}
        case _:
            return {f"bias_ih{suffix}": gates(array[0]), f"bias_hh{suffix}": gates(array[1])}


@pytest.mark.parametrize("bidirectional", [False, True])
def test_parity_with_pytorch(bidirectional):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    module = torch.nn.GRU(6, 5, batch_first=True, bidirectional=bidirectional, dtype=torch.float64)
    layer = GRU(units=5, return_sequences=True, bidirectional=bidirectional, bias_initializer="random_normal")
    check_parity(layer, module, to_torch)
