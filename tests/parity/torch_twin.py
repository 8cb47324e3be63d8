"""A network of dlrun's layers as PyTorch computes it, from the same weights.

Values keep dlrun's layout (channels last) between layers, so flattening needs no reordering; around PyTorch's own
convolutions and pools the channels move to the front and back. Weights keep dlrun's layout too, and are turned on
their way into PyTorch's functions: so they can be compared after training, entry by entry.
"""

from math import inf

import torch
import torch.nn.functional as F

from dlrun.layers.windows import pair

FUNCTIONS = {
    "elu": lambda f, x: F.elu(x, f.alpha),
    "gelu": lambda f, x: F.gelu(x, approximate="tanh" if f.approximate else "none"),
    "leaky_relu": lambda f, x: F.leaky_relu(x, f.negative_slope),
    "linear": lambda f, x: x,
    "relu": lambda f, x: F.relu(x),
    "sigmoid": lambda f, x: torch.sigmoid(x),
    "silu": lambda f, x: F.silu(x),
    "softmax": lambda f, x: F.softmax(x, -1),
    "softplus": lambda f, x: F.softplus(x),
    "tanh": lambda f, x: torch.tanh(x),
}
NOISE = ("dropout", "gaussian_noise", "spatial_dropout")


def padded(layer, shape, x, value=0.0):
    """x (rows, channels, height, width) with what windows see beyond the image: the same as Keras puts there."""
    geometry = layer.geometry(shape)
    sides = [(axis.before, max(axis.reach - axis.extent - axis.before, 0)) for axis in (geometry.x, geometry.y)]
    return F.pad(x, [*sides[0], *sides[1]], value=value)


def dense(node, w, x):
    y = x @ w["kernel"]
    return y + w["bias"] if "bias" in w else y


def conv2d(node, w, x):
    layer = node.layer
    x = padded(layer, node.input_shapes[0], x.movedim(-1, 1))
    y = F.conv2d(
        x,
        w["kernel"].permute(3, 2, 0, 1),
        w.get("bias"),
        pair(layer.strides),
        0,
        pair(layer.dilation_rate),
        layer.groups,
    )
    return y.movedim(1, -1)


def max_pool2d(node, w, x):
    layer = node.layer
    x = padded(layer, node.input_shapes[0], x.movedim(-1, 1), -inf)
    return F.max_pool2d(x, pair(layer.pool_size), pair(layer.strides or layer.pool_size)).movedim(1, -1)


def average_pool2d(node, w, x):
    layer = node.layer
    assert layer.padding == "valid", "PyTorch counts the places beyond the image"
    x = x.movedim(-1, 1)
    return F.avg_pool2d(x, pair(layer.pool_size), pair(layer.strides or layer.pool_size)).movedim(1, -1)


def batch_normalization(node, w, x):
    axes = tuple(range(x.ndim - 1))
    variance, mean = torch.var_mean(x, axes, correction=0)
    y = (x - mean) / torch.sqrt(variance + node.layer.epsilon)
    return y * w.get("gamma", 1) + w.get("beta", 0)


LAYERS = {
    "average_pool2d": average_pool2d,
    "batch_normalization": batch_normalization,
    "conv2d": conv2d,
    "dense": dense,
    "flatten": lambda node, w, x: x.flatten(1),
    "global_average_pool2d": lambda node, w, x: x.mean((1, 2)),
    "max_pool2d": max_pool2d,
    "reshape": lambda node, w, x: x.reshape(-1, *node.output_shape),
    "add": lambda node, w, *xs: sum(xs),
    "concatenate": lambda node, w, *xs: torch.cat(xs, -1),
}


class Twin:
    """A graph (before any fusion) with weights by variable name, as tensors of which those that are trained learn."""

    def __init__(self, graph, weights, loss):
        self.graph, self.loss = graph, loss
        trained = {f"{n.name}/{v.name}" for n in graph.nodes.values() for v in n.variables if v.trainable}
        self.weights = {name: torch.tensor(array, requires_grad=name in trained) for name, array in weights.items()}
        self.parameters = {name: self.weights[name] for name in weights if name in trained}

    def is_last(self, node):
        """Whether nothing follows but other shapes."""
        after = list(self.graph.nodes.values())
        return all(other.layer.type in ("flatten", "reshape") for other in after[after.index(node) + 1 :])

    def outputs(self, inputs):
        """The network's output, (rows, ...): logits where the loss has a link, whose layer is left out."""
        values = dict(inputs)
        nodes = list(self.graph.nodes.values())
        for node in nodes:
            function = getattr(node.layer, "function", None)
            if function is not None and function.type == self.loss.link and self.is_last(node):
                values[node.name] = values[node.inputs[0]]
                continue
            given = [values[name] for name in node.inputs]
            if function is not None:
                values[node.name] = FUNCTIONS[function.type](function, *given)
            else:
                own = {v.name: self.weights[f"{node.name}/{v.name}"] for v in node.variables}
                values[node.name] = LAYERS[node.layer.type](node, own, *given)
        return values[nodes[-1].name]


def torch_loss(loss, outputs, targets):
    """The mean loss, of dlrun's loss with its fields."""
    if loss.type == "cross_entropy":
        return F.cross_entropy(outputs, targets.long(), label_smoothing=loss.label_smoothing)
    targets = targets.reshape(outputs.shape).to(outputs.dtype)
    if loss.type == "binary_cross_entropy":
        return F.binary_cross_entropy_with_logits(outputs, targets)
    if loss.type == "huber":
        return F.huber_loss(outputs, targets, delta=loss.delta)
    return {"mse": F.mse_loss, "mae": F.l1_loss}[loss.type](outputs, targets)


def torch_optimizer(optimizer, parameters):
    """The optimizer that steps the same way, at a constant rate."""
    rate, decay = optimizer.learning_rate, optimizer.weight_decay
    if optimizer.type == "sgd":
        assert not decay, "PyTorch's SGD has coupled weight decay"
        return torch.optim.SGD(parameters, rate, optimizer.momentum, nesterov=optimizer.nesterov)
    assert optimizer.type in ("adam", "adamw")
    betas = (optimizer.beta_1, optimizer.beta_2)
    return torch.optim.AdamW(parameters, rate, betas, optimizer.epsilon, weight_decay=decay, amsgrad=optimizer.amsgrad)
