"""A layer at each step of a sequence: the same as the layer over all steps as samples."""

import numpy as np
import pytest

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.passes.fuse import fuse_link
from dlrun.compiler.updates import UpdateRule
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ConfigError
from dlrun.layers import (
    GRU,
    LAYERS,
    LSTM,
    Add,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool1D,
    MaxPool2D,
    Reshape,
    TimeDistributed,
    TransformerEncoder,
)
from dlrun.losses import LOSSES
from dlrun.plan import effects
from tests.support.network import Network, ProbeLoss, batch_equals_samples, check_gradients, same_bits_on_threads

TIME = 3
LAYERS_OF_STEPS = {
    "dense": (Dense(units=4, activation="tanh"), (5,)),
    "softmax": (LAYERS["softmax"](), (5,)),
    "conv2d": (Conv2D(filters=4, kernel_size=3, activation="relu"), (6, 5, 2)),
    "max_pool2d": (MaxPool2D(pool_size=2), (4, 6, 3)),
    "flatten": (Flatten(), (4, 3)),
    "reshape": (Reshape(target_shape=(-1, 2)), (4, 3)),
    "conv1d": (Conv1D(filters=3, kernel_size=2), (5, 2)),
    "pool": (GlobalAveragePool1D(), (5, 2)),
    "lstm": (LSTM(units=4, return_sequences=True), (5, 2)),
    "gru": (GRU(units=4, bidirectional=True), (5, 2)),
    "encoder": (TransformerEncoder(num_heads=2, intermediate_dim=5), (5, 4)),
    "batch_normalization": (BatchNormalization(), (4, 3)),
    "nested": (TimeDistributed(layer=Conv1D(filters=2, kernel_size=2)), (2, 4, 3)),
}


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", LAYERS_OF_STEPS)
def test_steps_are_samples(name, training):
    """Outputs and gradients are those of the layer over rows * time samples."""
    layer, shape = LAYERS_OF_STEPS[name]
    x = values(4, TIME, *shape)
    options = {"training": training, "gradients": training}
    of_samples = Network([layer], x.reshape(4 * TIME, *shape), **options)
    of_steps = Network([TimeDistributed(layer=layer)], x, **options)
    of_steps.executor.data["data/targets/target"][:] = of_samples.coefficients.reshape(of_steps.coefficients.shape)
    for (inner, _), (outer, _) in zip(of_samples.names, of_steps.names, strict=True):
        of_steps.executor.array(outer)[:] = of_samples.executor.array(inner)
    expected, found = of_samples.run(), of_steps.run()
    np.testing.assert_allclose(found.outputs.reshape(expected.outputs.shape), expected.outputs, rtol=1e-11, atol=1e-12)
    for (inner, _), (outer, _) in zip(of_samples.names, of_steps.names, strict=True):
        if inner in expected.gradients:
            of_all = expected.gradients[inner] * TIME
            np.testing.assert_allclose(found.gradients[outer], of_all, rtol=1e-9, atol=1e-10)
    if training:
        gradient = found.input_gradients["x"].reshape(expected.input_gradients["x"].shape)
        np.testing.assert_allclose(gradient, expected.input_gradients["x"] * TIME, rtol=1e-9, atol=1e-10)


def film_network():
    return [
        TimeDistributed(layer=Conv2D(filters=4, kernel_size=3, activation="relu", name="filters")),
        TimeDistributed(layer=MaxPool2D(pool_size=2)),
        TimeDistributed(layer=Flatten(), name="frames"),
        Dense(units=3, activation="tanh"),
        LSTM(units=4),
        Dense(units=2),
    ]


def test_gradients_of_a_film_network_are_central_differences():
    check_gradients(Network(film_network(), values(3, 4, 6, 6, 1)))


def test_bits_do_not_depend_on_threads_or_company():
    x = values(5, 3, 6, 6, 1)
    same_bits_on_threads(film_network(), x)
    same_bits_on_threads([TimeDistributed(layer=Dropout(rate=0.4)), TimeDistributed(layer=LSTM(units=3))], x[..., 0])
    batch_equals_samples(film_network(), x)


def test_the_last_batch_may_be_smaller():
    x = values(5, 3, 6, 6, 1)
    whole, larger = (Network(film_network(), x, batch=batch).run() for batch in (5, 8))
    np.testing.assert_array_equal(whole.outputs, larger.outputs)
    for name, gradient in whole.gradients.items():
        np.testing.assert_array_equal(gradient, larger.gradients[name])


def test_a_value_may_have_other_readers_too():
    layers = [
        Dense(units=6, name="h"),
        TimeDistributed(layer=Conv1D(filters=6, kernel_size=3, padding="same"), name="c"),
        Add(inputs=("h", "c"), name="sum"),
        TimeDistributed(layer=GlobalAveragePool1D(), inputs=("h",), name="mean"),
        TimeDistributed(layer=GlobalAveragePool1D(), inputs=("sum",), name="other"),
        Add(inputs=("other", "mean")),
    ]
    check_gradients(Network(layers, values(3, 2, 4, 3)))
    same_bits_on_threads(layers, values(5, 2, 4, 3))


def test_the_sequences_mask_waits_while_steps_are_samples():
    """A list's mask is that of its sentences, and no layer inside takes it for one of words."""
    x = np.array([[[1.0, 2], [3, 4], [0, 0]], [[5, 6], [0, 0], [0, 0]]])
    layers = [
        LAYERS["masking"](),
        TimeDistributed(layer=Reshape(target_shape=(2, 1))),
        TimeDistributed(layer=GlobalAveragePool1D()),
        GlobalAveragePool1D(),
    ]
    outputs = Network(layers, x, training=False, gradients=False).run().outputs
    np.testing.assert_allclose(outputs, [[2.5], [5.5]])


def test_a_mask_inside_is_that_of_a_step():
    ids = np.array([[[1.0, 2], [3, 0], [0, 0]], [[4, 0], [0, 0], [0, 0]]])
    words = Embedding(input_dim=5, output_dim=3, mask_zero=True)
    network = Network([TimeDistributed(layer=words), Dropout(rate=0.5)], ids, training=False, gradients=False)
    network.run()
    mask = network.executor.array("time_distributed_1/embedding/mask")
    np.testing.assert_array_equal(mask.reshape(ids.shape), ids > 0)


def test_sentences_of_words():
    ids = np.random.default_rng(3).integers(0, 6, (4, 3, 5)).astype(float)
    layers = [
        TimeDistributed(layer=Embedding(input_dim=6, output_dim=4)),
        TimeDistributed(layer=GRU(units=3)),
        GRU(units=2),
    ]
    check_gradients(Network(layers, ids))


@pytest.mark.parametrize("last", [[], [TimeDistributed(layer=LAYERS["softmax"]())]], ids=["inside", "behind"])
def test_a_trailing_softmax_is_fused_with_the_loss(last):
    inner = Conv1D(filters=4, kernel_size=1, activation=None if last else "softmax")
    layers = [TimeDistributed(layer=inner, name="steps"), *last]
    target = Feature("target", (3, 5), "int32", kind="sequence", classes=tuple("abcd"))
    signature = Signature({"x": Feature("x", (3, 5, 2), "float32")}, {"target": target})
    graph = Model(layers, [("model", "layers", i) for i in range(len(layers))], signature, ProbeLoss()).graph()
    fuse_link(graph, LOSSES["cross_entropy"]())
    assert not [node.name for node in graph.nodes.values() if "softmax" in node.name]
    assert graph.output.output_shape == (3, 5, 4)


def test_layers_of_vectors_need_no_views():
    graph = Network([TimeDistributed(layer=Dense(units=2))], values(2, 3, 4)).graph
    assert list(graph.nodes) == ["time_distributed_1/dense"]
    assert graph.output.output_shape == (3, 2)


def test_flops_count_every_step():
    graph = Network([TimeDistributed(layer=Conv1D(filters=4, kernel_size=2))], values(2, 3, 5, 2)).graph
    alone = Network([Conv1D(filters=4, kernel_size=2)], values(2, 5, 2)).graph
    assert sum(node.flops for node in graph.nodes.values()) == 3 * alone.output.flops


def test_frozen():
    network = Network([TimeDistributed(layer=GRU(units=2), trainable=False), Dense(units=2)], values(2, 3, 4, 2))
    assert set(network.run().gradients) == {"dense_1/kernel", "dense_1/bias"}


def test_one_call_of_the_layers_kernel():
    network = Network([TimeDistributed(layer=Conv2D(filters=2, kernel_size=3))], values(2, 3, 5, 5, 1))
    goal = Goal(training=False, loss=False)
    plan = compile_plan(network.model, goal, UpdateRule(), "float32", 2, 1, 0)
    assert [call.kernel.name for call in plan.calls if call.node.endswith("conv2d")] == ["conv_forward"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Add(), "add takes several inputs, and a step is one"),
        (Dense(units=2, inputs=("x",)), "names inputs of its own"),
        (Conv2D(filters=2, kernel_size=3), r"at each step of \(3, 4, 2\): conv2d needs an input of shape"),
        (Dense(units=2, name="all_steps"), "can't be named"),
        (LSTM(units=2, stateful=True), "a stateful lstm keeps its state from one batch to the next"),
        (LAYERS["variational_sampling"](), "several inputs|adds a term to the loss"),
    ],
)
def test_what_cannot_be_applied_step_by_step_is_refused(layer, message):
    with pytest.raises(ConfigError, match=message) as caught:
        Network([TimeDistributed(layer=layer)], values(2, 3, 4, 2))
    assert caught.value.problems[0].path == ("model", "layers", 0, "layer")


def test_single_numbers_are_no_sequences():
    with pytest.raises(ConfigError, match=r"time_distributed needs an input of shape \(time, ...\)"):
        Network([TimeDistributed(layer=Flatten())], values(2))


def test_convolutions_and_pools_of_steps_become_one():
    """The same numbers as of the layers over all steps as samples, by the same kernels."""
    layers = [Conv2D(filters=4, kernel_size=3, activation="relu"), MaxPool2D(pool_size=2)]
    x = values(2, 3, 8, 8, 1)
    of_steps = Network([TimeDistributed(layer=layer) for layer in layers], x)
    of_samples = Network([*layers, Flatten()], x.reshape(6, 8, 8, 1))
    kernels = [call.kernel.name for call in of_samples.plan.calls if call.node.startswith("conv2d")]
    assert "conv_pool_forward_of_four" in kernels
    assert [call.kernel.name for call in of_steps.plan.calls if "conv2d" in call.node] == kernels
    check_gradients(of_steps)


def test_outputs_and_gradients_are_pytorchs():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = values(3, 4, 6, 5, 2)
    network = Network([TimeDistributed(layer=Conv2D(filters=4, kernel_size=3, name="c"), name="t")], x)
    result = network.run()
    leaf = torch.tensor(x, requires_grad=True)
    weights, bias = (torch.tensor(result.variables[f"t/c/{name}"], requires_grad=True) for name in ("kernel", "bias"))
    frames = leaf.flatten(0, 1).permute(0, 3, 1, 2)
    y = torch.nn.functional.conv2d(frames, weights.permute(3, 2, 0, 1), bias).permute(0, 2, 3, 1).unflatten(0, (3, 4))
    (y * torch.tensor(network.coefficients)).sum().div(3).backward()
    np.testing.assert_allclose(result.outputs, y.detach().numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.input_gradients["x"], leaf.grad.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.gradients["t/c/kernel"], weights.grad.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.gradients["t/c/bias"], bias.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_threads_meet_where_samples_are_counted_otherwise():
    """Threads share out steps inside and rows outside: their parts of a buffer are not the same."""
    plan = Network(film_network(), values(5, 3, 6, 6, 1), threads=3).plan
    last: dict[object, tuple[int, object]] = {}
    changes = 0
    for index, call in enumerate(plan.calls):
        for effect in effects(call):
            before, rows = last.get(effect.buffer, (index, call.arguments.get("rows")))
            if call.arguments.get("rows") is not rows and effect.buffer.row_size is not None:
                assert any(between.barrier for between in plan.calls[before + 1 : index + 1])
                changes += 1
            last[effect.buffer] = index, call.arguments.get("rows")
    assert changes > 1
