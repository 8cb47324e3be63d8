"""Recurrent layers as plain loops over samples and steps."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simple_rnn_step(x, h, c, kernel, recurrent, bias):
    return np.tanh(x @ kernel + h @ recurrent + bias), c


def lstm_step(x, h, c, kernel, recurrent, bias):
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x, h, c, kernel, recurrent, bias):
    (xz, xr, xg), (hz, hr, hg) = np.split(x @ kernel + bias[0], 3), np.split(h @ recurrent + bias[1], 3)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    return z * h + (1 - z) * np.tanh(xg + r * hg), c


STEPS = {"simple_rnn": simple_rnn_step, "lstm": lstm_step, "gru": gru_step}


def states(kind, x, variables, prefix, backwards=False, mask=None):
    """The hidden states of all steps in the order of processing, (rows, time, units); carried over padding."""
    kernel, recurrent = variables[f"{prefix}kernel"], variables[f"{prefix}recurrent_kernel"]
    bias = variables.get(f"{prefix}bias", np.zeros((2, kernel.shape[1])) if kind == "gru" else 0)
    rows, time, _ = x.shape
    result = np.zeros((rows, time, len(recurrent)))
    for n in range(rows):
        h = c = np.zeros(len(recurrent))
        for s in range(time):
            t = time - 1 - s if backwards else s
            if mask is None or mask[n, t]:
                h, c = STEPS[kind](x[n, t], h, c, kernel, recurrent, bias)
            result[n, s] = h
    return result


def outputs(layer, name, x, variables, mask=None):
    """What a layer makes of x (rows, time, features)."""
    if not layer.bidirectional:
        found = states(layer.type, x, variables, f"{name}/", layer.go_backwards, mask)
        return found if layer.return_sequences else found[:, -1]
    ahead = states(layer.type, x, variables, f"{name}/forward_", False, mask)
    back = states(layer.type, x, variables, f"{name}/backward_", True, mask)
    if not layer.return_sequences:
        return np.concatenate([ahead[:, -1], back[:, -1]], -1)
    both = np.concatenate([ahead, back[:, ::-1]], -1)
    return both if mask is None else both * mask[:, :, None]
