"""Layers that share their weights: the same outputs as PyTorch's, gradients summed, kept once, the same on threads."""

import numpy as np
import pytest

from dlrun.compiler.graph import build_graph, parameter_count
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ConfigError
from dlrun.layers import LAYERS
from tests.support.network import Network, check_gradients, same_bits_on_threads
from tests.support.training import Training, differing

TOWERS = [
    {"type": "dense", "name": "first", "inputs": ["a"], "units": 7, "activation": "tanh"},
    {"type": "dense", "name": "second", "units": 3},
    {"type": "shared", "layer": "first", "inputs": ["b"]},
    {"type": "shared", "layer": "second", "name": "other"},
    {"type": "subtract", "inputs": ["second", "other"]},
]


def layers_of(specs):
    return [LAYERS[spec["type"]].model_validate(spec) for spec in specs]


def pairs(rows=9, features=5):
    random = np.random.default_rng(2)
    return {name: random.standard_normal((rows, features)) for name in "ab"}


def test_towers_have_the_same_weights_and_the_sum_of_both_gradients():
    network = Network(layers_of(TOWERS), pairs())
    result = network.run()
    assert sorted(result.gradients) == ["first/bias", "first/kernel", "second/bias", "second/kernel"]
    v = result.variables
    towers = [
        np.tanh(x @ v["first/kernel"] + v["first/bias"]) @ v["second/kernel"] for x in network.inputs.values()
    ]  # fmt: skip
    np.testing.assert_allclose(result.outputs, towers[0] - towers[1], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(result.gradients["second/bias"], 0, atol=1e-15)
    check_gradients(network)


def test_bits_do_not_depend_on_threads():
    same_bits_on_threads(layers_of(TOWERS), pairs(37, 21))


def test_a_layer_three_times_over():
    layers = layers_of(
        [
            {"type": "dense", "name": "d", "units": 4, "activation": "tanh"},
            {"type": "shared", "layer": "d", "name": "again"},
            {"type": "shared", "layer": "again"},
        ]
    )
    check_gradients(Network(layers, np.random.default_rng(1).standard_normal((5, 4))))


CASES = {
    "conv": ((6, 6, 2), [{"type": "conv2d", "name": "d", "filters": 2, "kernel_size": 3, "padding": "same"}]),
    "recurrent": ((4, 3), [{"type": "gru", "name": "d", "units": 3, "return_sequences": True, "bidirectional": True}]),
    "normalization": ((5,), [{"type": "batch_normalization", "name": "d"}]),
    "block": ((4, 6), [{"type": "transformer_encoder", "name": "d", "num_heads": 2, "intermediate_dim": 5}]),
}


@pytest.mark.parametrize("case", CASES)
def test_any_layer_can_be_shared(case):
    shape, layers = CASES[case]
    x = np.random.default_rng(1).standard_normal((6, *shape))
    inner = [{"type": "dense", "units": shape[-1]}]
    network = Network(layers_of([*layers, *inner, {"type": "shared", "layer": "d"}]), x)
    owners = {name.split("/")[0] for name, _ in network.names}
    assert owners == {"d", "dense_1"}
    check_gradients(network, most=40)


def test_moving_statistics_follow_both_places():
    x = {"a": np.full((6, 2), 1.0), "b": np.full((6, 2), 3.0)}
    layers = [
        {"type": "batch_normalization", "name": "n", "inputs": ["a"], "momentum": 0.5},
        {"type": "shared", "layer": "n", "inputs": ["b"]},
        {"type": "add", "inputs": ["n", "shared_1"]},
    ]
    result = Network(layers_of(layers), x).run()
    np.testing.assert_allclose(result.variables["n/moving_mean"], 0.5 * (0.5 * 0 + 0.5 * 1) + 0.5 * 3)


def test_inference_folds_a_normalization_into_one_place_alone():
    layers = [
        {"type": "dense", "name": "d", "units": 4},
        {"type": "batch_normalization", "name": "n"},
        {"type": "relu"},
        {"type": "shared", "layer": "d"},
        {"type": "shared", "layer": "n"},
    ]
    x = np.random.default_rng(1).standard_normal((5, 4))
    folded = Network(layers_of(layers), x, training=False, gradients=False).run()
    apart = Network(layers_of(layers), x, training=False, gradients=True).run()
    assert any("folded" in name for name in Network(layers_of(layers), x, training=False, gradients=False).plan.buffers)
    np.testing.assert_allclose(folded.outputs, apart.outputs, rtol=1e-12)


L2 = {"type": "l2", "l2": 0.01}


@pytest.mark.parametrize(
    "options",
    [{}, {"clipnorm": 0.1}, {"global_clipnorm": 0.1}, {"gradient_accumulation_steps": 2}, {"weight_decay": 0.1}],
    ids=str,
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_shared_layer_is_trained_as_if_it_were_written_out(optimizer, options):
    """PyTorch calls one module twice: its gradient is the sum, and each step changes it once."""
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    layers = [
        {"type": "dense", "name": "d", "units": 6, "activation": "tanh", "kernel_regularizer": L2},
        {"type": "shared", "layer": "d"},
        {"type": "dense", "name": "out", "units": 2},
    ]  # fmt: skip
    x = np.random.default_rng(3).standard_normal((8, 6))
    runs = {}
    for threads in (1, 2, 3):
        training = Training(layers, x, threads, optimizer, **options)
        start = {name: training.executor.array(name).copy() for name in ("d/kernel", "out/kernel")}
        runs[threads] = training.run(4)
    assert differing(runs[1], runs[2]) == differing(runs[1], runs[3]) == []
    d, out = torch.nn.Linear(6, 6), torch.nn.Linear(6, 2)
    with torch.no_grad():
        d.weight.copy_(torch.tensor(start["d/kernel"].reshape(6, 6).T.copy()))
        out.weight.copy_(torch.tensor(start["out/kernel"].reshape(6, 2).T.copy()))
        d.bias.zero_()
        out.bias.zero_()
    if optimizer == "adam" or "weight_decay" in options:
        return
    parameters = [d.weight, d.bias, out.weight, out.bias]
    steps = torch.optim.SGD(parameters, lr=0.01)
    data = training.executor.data
    given, target = (torch.tensor(data[f"data/{name}"][data["order"]]) for name in ("inputs/x", "targets/target"))
    group = options.get("gradient_accumulation_steps", 1)
    for step in range(4):
        if step % group == 0:
            steps.zero_grad()
        loss = ((out(torch.tanh(d(torch.tanh(d(given))))) - target) ** 2).mean() + 0.01 * (d.weight**2).sum()
        (loss / group).backward()
        if "clipnorm" in options:
            for parameter in parameters:
                torch.nn.utils.clip_grad_norm_([parameter], options["clipnorm"])
        if "global_clipnorm" in options:
            torch.nn.utils.clip_grad_norm_(parameters, options["global_clipnorm"])
        if (step + 1) % group == 0:
            steps.step()
    found = runs[1]
    np.testing.assert_allclose(found["d/kernel"].reshape(6, 6).T, d.weight.detach(), rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(found["out/kernel"].reshape(6, 2).T, out.weight.detach(), rtol=2e-5, atol=2e-6)


def graph_of(specs, **features):
    paths = [("model", "layers", index) for index in range(len(specs))]
    return build_graph(layers_of(specs), paths, Signature(features))


def test_parameters_are_counted_once():
    graph = graph_of(TOWERS, a=Feature("a", (5,), "float32"), b=Feature("b", (5,), "float32"))
    assert parameter_count(graph) == {"trainable": 5 * 7 + 7 + 7 * 3 + 3, "frozen": 0}


D = {"type": "dense", "name": "d", "units": 2}


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([D, {"type": "shared", "layer": "d"}], r"its kernel would need shape \(2, 2\), but that of 'd' has \(3, 2\)"),
        ([D, {"type": "shared", "layer": "e"}], "no layer named 'e' comes before it"),
        ([{"type": "relu", "name": "d"}, {"type": "shared", "layer": "d"}], "'d' has no weights to share"),
    ],
)
def test_layers_that_can_not_be_shared(specs, message):
    with pytest.raises(ConfigError, match=message):
        graph_of(specs, x=Feature("x", (3,), "float32"))


def test_ids_of_another_vocabulary_are_refused():
    specs = [
        {"type": "embedding", "name": "e", "inputs": ["a"], "output_dim": 2},
        {"type": "shared", "layer": "e", "inputs": ["b"]},
    ]
    a, b = (Feature(name, (3,), "int32", "sequence", classes=("p", "q", name)) for name in "ab")
    with pytest.raises(ConfigError, match="the ids of 'b' stand for other things than those of 'a'"):
        graph_of(specs, a=a, b=b)
    assert graph_of(specs, a=a, b=Feature("b", (9,), "int32", "sequence", classes=a.classes)).output.parameters == 0
