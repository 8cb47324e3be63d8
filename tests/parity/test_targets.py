"""Networks with several targets, and with a term that a layer adds, follow PyTorch's, losses and weights."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is what training is compared with")

import torch
import torch.nn.functional as F

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import OptimizerRule
from dlrun.data.signature import Feature, Signature
from dlrun.executor.executor import Executor
from dlrun.layers import LAYERS
from dlrun.losses import LOSSES
from dlrun.optimizers import OPTIMIZERS

torch.set_num_threads(1)
ROWS, WIDTH, STEPS = 24, 6, 40
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
precisions = pytest.mark.parametrize("precision", TOLERANCE)


class Training:
    """A network that Adam trains on all its rows in each step, and its weights as tensors for a twin."""

    def __init__(self, layers, losses, targets, precision):
        random = np.random.default_rng(0)
        self.inputs = random.uniform(size=(ROWS, WIDTH)).astype(precision)
        self.targets = {name: make(self.inputs) for name, (_, make) in targets.items()}
        parsed = [LAYERS[layer["type"]].model_validate(layer) for layer in layers]
        signature = Signature(
            {"x": Feature("x", (WIDTH,), "float64")}, {name: feature for name, (feature, _) in targets.items()}
        )
        losses = {name: LOSSES[loss["type"]].model_validate(loss) for name, loss in losses.items()}
        model = Model(parsed, [("model", "layers", i) for i in range(len(parsed))], signature, losses)
        self.optimizer = OPTIMIZERS["adam"](learning_rate=0.01)
        goal = Goal(training=True, gradients=True, keep=True, collect=False)
        plan = compile_plan(model, goal, OptimizerRule(self.optimizer), precision, ROWS, 2, 0)
        data = {"data/inputs/x": self.inputs.astype(np.float64), "order": np.arange(ROWS)}
        data |= {f"data/targets/{name}": array for name, array in self.targets.items()}
        self.executor = Executor(plan, 2, data)
        self.weights = {}
        for node in model.graph().nodes.values():
            for variable in node.variables:
                name = f"{node.name}/{variable.name}"
                array = variable.initializer.draw(variable, random).astype(precision)
                self.executor.array(name)[:] = array.ravel()
                self.weights[name] = torch.tensor(array, requires_grad=True)

    def compare(self, twin, within):
        """Train both for some steps, and compare losses step by step, and the weights at the end."""
        optimizer = torch.optim.Adam(self.weights.values(), 0.01, (0.9, 0.999), self.optimizer.epsilon)
        inputs = torch.tensor(self.inputs)
        losses = []
        for step in range(STEPS):
            scalars = self.optimizer.scalars(np.array([step]), np.array([0.01]))
            assert self.executor.run(np.array([[ROWS, step, 0, 1, 1, 0]]), scalars).finished
            mine = float(self.executor.array("losses").astype(np.float64).mean())
            optimizer.zero_grad()
            loss = twin(self, inputs)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            assert mine == pytest.approx(loss.item(), rel=within), step
        assert losses[-1] < 0.9 * losses[0]
        for name, expected in self.weights.items():
            found = self.executor.array(name).reshape(expected.shape)
            np.testing.assert_allclose(found, expected.detach().numpy(), rtol=100 * within, atol=within)

    def dense(self, name, x):
        return x @ self.weights[f"{name}/kernel"] + self.weights[f"{name}/bias"]


TWO = (
    {"type": "dense", "name": "trunk", "units": 9, "activation": "tanh"},
    {"type": "dense", "name": "kind", "units": 3, "activation": "softmax"},
    {"type": "dense", "name": "size", "units": 2, "inputs": ["trunk"]},
    {"type": "dense", "name": "big", "units": 1, "inputs": ["trunk"], "activation": "sigmoid"},
)
LOSS = {
    "kind": {"type": "cross_entropy"},
    "size": {"type": "mse", "weight": 0.3, "over_outputs": "sum"},
    "big": {"type": "binary_cross_entropy", "weight": 2.0},
}
TARGETS = {
    "kind": (Feature("kind", (), "int32", "labels", ("a", "b", "c")), lambda x: (x[:, 0] * 3).astype(np.int32)),
    "size": (Feature("size", (2,), "float64"), lambda x: np.ascontiguousarray(x[:, :2] * 2, np.float64)),
    "big": (Feature("big", (), "int32", "labels", ("no", "yes")), lambda x: (x[:, 1] > 0.5).astype(np.int32)),
}


def three_losses(run, x):
    trunk = torch.tanh(run.dense("trunk", x))
    kind = F.cross_entropy(run.dense("kind", trunk), torch.tensor(run.targets["kind"]).long())
    size = ((run.dense("size", trunk) - torch.tensor(run.targets["size"]).to(x.dtype)) ** 2).sum(1).mean()
    yes = torch.tensor(run.targets["big"])[:, None].to(x.dtype)
    return kind + 0.3 * size + 2 * F.binary_cross_entropy_with_logits(run.dense("big", trunk), yes)


@precisions
def test_three_targets(precision):
    Training(TWO, LOSS, TARGETS, precision).compare(three_losses, TOLERANCE[precision])


VAE = (
    {"type": "dense", "name": "mean", "units": 2, "inputs": ["x"]},
    {"type": "dense", "name": "spread", "units": 2, "inputs": ["x"]},
    {"type": "variational_sampling", "name": "z", "inputs": ["mean", "spread"], "kl_weight": 0.5},
    {"type": "dense", "name": "decoder", "units": 8, "activation": "tanh"},
    {"type": "dense", "name": "out", "units": WIDTH, "activation": "sigmoid"},
)


def evidence_bound(run, x):
    """The variational lower bound, by PyTorch's own normal distributions, with the noise that dlrun drew."""
    mean, spread = run.dense("mean", x), torch.exp(run.dense("spread", x) / 2)
    normal, standard = torch.distributions.Normal(mean, spread), torch.distributions.Normal(0.0, 1.0)
    noise = torch.tensor(run.executor.array("z/noise").reshape(ROWS, 2).copy())
    logits = run.dense("out", torch.tanh(run.dense("decoder", mean + spread * noise)))
    pixels = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / ROWS
    return pixels + 0.5 * torch.distributions.kl_divergence(normal, standard).sum(1).mean()


@precisions
def test_a_variational_autoencoder(precision):
    losses = {"image": {"type": "binary_cross_entropy", "over_outputs": "sum"}}
    target = {"image": (Feature("image", (WIDTH,), "float64"), lambda x: x.astype(np.float64))}
    Training(VAE, losses, target, precision).compare(evidence_bound, TOLERANCE[precision])
