"""Networks with several outputs: what each loss sees, that gradients add up, and what is refused."""

import numpy as np
import pytest

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import UpdateRule
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ConfigError, UsageError
from dlrun.executor.executor import Executor
from dlrun.layers import LAYERS
from dlrun.losses import LOSSES

ROWS, WIDTH = 6, 5
TRUNK = {"type": "dense", "name": "trunk", "units": 7, "activation": "tanh"}
HEADS = (
    {"type": "dense", "name": "kind", "units": 3, "activation": "softmax"},
    {"type": "dense", "name": "size", "units": 2, "inputs": ["trunk"]},
)
LOSS = {"kind": {"type": "cross_entropy"}, "size": {"type": "mse", "weight": 0.25}}
TARGETS = {
    "kind": Feature("kind", (), "int32", "labels", ("a", "b", "c")),
    "size": Feature("size", (2,), "float64"),
    "other": Feature("other", (2,), "float64"),
}


def model(layers=(TRUNK, *HEADS), losses=LOSS, outputs=None):
    parsed = [LAYERS[layer["type"]].model_validate(layer) for layer in layers]
    features = {"x": Feature("x", (WIDTH,), "float64")}
    signature = Signature(features, {name: TARGETS[name] for name in losses})
    found = {name: LOSSES[loss["type"]].model_validate(loss) for name, loss in losses.items()}
    paths = [("model", "layers", index) for index in range(len(parsed))]
    return Model(parsed, paths, signature, found, outputs=outputs)


class Step:
    """One step of a network in float64, with what it computed."""

    def __init__(self, network, threads=2, training=True, weights=None, precision="float64"):
        goal = Goal(training, gradients=training, keep=True, collect=False, weighted=weights is not None)
        self.plan = compile_plan(network, goal, UpdateRule(), precision, ROWS, threads, 0)
        random = np.random.default_rng(1)
        data = {
            "data/inputs/x": random.standard_normal((ROWS, WIDTH)),
            "data/targets/kind": random.integers(0, 3, ROWS).astype(np.int32),
            "data/targets/size": random.standard_normal((ROWS, 2)),
            "data/targets/other": random.standard_normal((ROWS, 2)),
            "order": np.arange(ROWS),
        }
        if weights is not None:
            data["data/sample_weights"] = np.asarray(weights, np.float32)
        self.data = data
        self.executor = Executor(self.plan, threads, data)
        self.names = []
        for node in network.graph().nodes.values():
            for variable in node.variables:
                self.names.append(f"{node.name}/{variable.name}")
                self.executor.array(self.names[-1])[:] = variable.initializer.draw(variable, random).ravel()
        self.run()

    def run(self):
        assert self.executor.run(np.array([[ROWS, 0, 0, 1, 1, 0]]), np.zeros((1, 1))).finished
        return float(self["losses"].mean())

    def __getitem__(self, name):
        return self.executor.array(name)


def gradients_agree(step):
    step.run()
    found = {name: step[f"gradient/{name}"].copy() for name in step.names}
    for name in step.names:
        place = step[name]
        for index in range(place.size):
            kept, values = place[index], []
            for delta in (1e-6, -1e-6):
                place[index] = kept + delta
                values.append(step.run())
            place[index] = kept
            assert abs((values[0] - values[1]) / 2e-6 - found[name][index]) < 1e-7, (name, index)


def test_the_loss_is_the_weighted_sum_of_the_heads():
    step = Step(model())
    kind, size = step["loss/kind/losses"], step["loss/size/losses"]
    predictions = step["loss/size/predictions"].reshape(ROWS, 2)
    own = ((predictions - step.data["data/targets/size"]) ** 2).mean(axis=1)
    np.testing.assert_allclose(size, 0.25 * own, rtol=1e-12)
    np.testing.assert_array_equal(step["losses"], kind + size)
    shares = step["loss/kind/predictions"].reshape(ROWS, 3)
    np.testing.assert_allclose(kind, -np.log(shares[np.arange(ROWS), step.data["data/targets/kind"]]), rtol=1e-12)


def test_sample_weights_count_for_every_head():
    weights = np.array([1, 0, 2, 0.5, 1, 3])
    plain, weighted = Step(model()), Step(model(), weights=weights)
    np.testing.assert_allclose(weighted["losses"], weights * plain["losses"], rtol=1e-12)


SIZE = {"type": "dense", "name": "size", "units": 2}
SHARED = (TRUNK, SIZE)
NETWORKS = {
    "two heads": model(),
    "one output of two targets": model(
        SHARED, {"size": {"type": "mse"}, "other": {"type": "mae", "weight": 3}}, {"other": "size"}
    ),
    "an output that others read": model(
        (TRUNK, HEADS[0], {"type": "concatenate", "inputs": ["trunk", "kind"]}, SIZE),
        LOSS,
    ),
    "an output that a ReLU reads": model(
        (
            {"type": "dense", "name": "size", "units": 2},
            {"type": "relu"},
            {"type": "dense", "name": "kind", "units": 3, "activation": "softmax"},
        ),
        LOSS,
    ),
    "an activation as an output": model(
        (
            {"type": "dense", "name": "flat", "units": 2, "activation": "sigmoid"},
            {"type": "reshape", "name": "size", "target_shape": [2]},
            {"type": "dense", "name": "kind", "units": 3, "activation": "softmax", "inputs": ["flat"]},
        ),
        {"kind": LOSS["kind"], "size": {"type": "binary_cross_entropy"}},
    ),
    "three targets": model(
        (TRUNK, *HEADS, {"type": "dense", "name": "other", "units": 2, "inputs": ["size"], "activation": "relu"}),
        {**LOSS, "other": {"type": "mse", "over_outputs": "sum"}},
    ),
}  # fmt: skip
each = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@each
def test_gradients(network):
    gradients_agree(Step(network))


@each
def test_threads_change_nothing(network):
    first = Step(network, 1, precision="float32")
    for threads in (2, 3, 4):
        other = Step(network, threads, precision="float32")
        for name in ("losses", *(f"gradient/{name}" for name in first.names)):
            np.testing.assert_array_equal(first[name], other[name])


@each
def test_inference_predicts_what_training_does(network):
    training, inference = Step(network), Step(network, training=False)
    names = [name for name in training.plan.buffers if name.endswith("/predictions")]
    assert len(names) == len(network.loss)
    for name in names:
        np.testing.assert_allclose(training[name], inference[name], rtol=1e-12)


def test_a_softmax_that_another_layer_reads_is_not_applied_twice():
    step = Step(NETWORKS["an output that others read"])
    np.testing.assert_allclose(step["loss/kind/predictions"], step["kind/softmax/output"], rtol=1e-12)


def test_two_heads_are_what_each_is_alone():
    """The gradient of the trunk is the sum of what each head alone would give it."""
    both = Step(model())
    alone = []
    for name in LOSS:
        layers = (TRUNK, {**HEADS[0], "inputs": ["trunk"]}, HEADS[1])
        step = Step(model(layers, {name: LOSS[name]}, {name: name}))
        for variable in step.names:
            step[variable][:] = both[variable]
        step.run()
        alone.append(step["gradient/trunk/kernel"].copy())
    np.testing.assert_allclose(both["gradient/trunk/kernel"], sum(alone), rtol=1e-10, atol=1e-15)


MISTAKES = {
    "a target without a loss": (
        {"losses": {"kind": LOSS["kind"]}, "targets": ["kind", "size"]}, ("loss",), "'size' has no loss"
    ),
    "a loss without a target": ({"losses": LOSS, "targets": ["kind"]}, ("loss", "size"), "no target 'size'"),
    "an output that isn't there": (
        {"outputs": {"size": "sise"}}, ("model", "outputs", "size"), "no layer is named 'sise'"
    ),
    "an output of no target": ({"outputs": {"sise": "size"}}, ("model", "outputs", "sise"), "no target 'sise'"),
    "no output": (
        {"layers": (TRUNK, HEADS[0], {**HEADS[1], "name": "b"})}, ("model", "layers"),
        "no layer gives the predictions of the target 'size'",
    ),
    "a layer of no use": (
        {"layers": (TRUNK, *HEADS, {"type": "dense", "name": "lost", "units": 1})}, ("model", "layers", 3),
        "no loss depends on the layer 'lost'",
    ),
    "a shape": (
        {"losses": {**LOSS, "size": {"type": "cross_entropy"}}, "outputs": {"size": "kind", "kind": "size"}},
        ("loss", "kind"), "has 3 classes, the network's output has shape (2,)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_what_does_not_fit_is_told_at_its_place(mistake):
    changes, place, message = mistake
    changes = dict(changes)
    targets = changes.pop("targets", None)
    network = model(**changes)
    if targets is not None:
        signature = Signature(network.signature.inputs, {name: TARGETS[name] for name in targets})
        network = Model(network.layers, network.paths, signature, network.loss)
    with pytest.raises(ConfigError) as caught:
        network.graph()
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert place in found, found
    assert message in found[place]


def test_one_loss_for_several_targets_is_refused():
    network = model()
    alone = Model(network.layers, network.paths, network.signature, LOSSES["mse"]())
    with pytest.raises(ConfigError, match=r"several targets \(kind, size\): each needs its own loss"):
        alone.graph()


def test_nobody_takes_the_first_of_several_for_the_only_one():
    network = model()
    with pytest.raises(UsageError, match="several outputs"):
        network.graph().output  # noqa: B018
    with pytest.raises(UsageError, match="several targets"):
        network.signature.target  # noqa: B018
