"""The embedding layer against lookups and sums by plain loops, PyTorch, central differences, and on other threads."""

import numpy as np
import pytest

from dlrun.compiler.compile import compile_plan
from dlrun.compiler.graph import build_graph
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import OptimizerRule
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ConfigError
from dlrun.executor.executor import Executor
from dlrun.layers import Dense, Embedding, Flatten, LayerNormalization
from dlrun.optimizers import OPTIMIZERS
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads


def ids_of(*shape, count, seed=1):
    return np.random.default_rng(seed).integers(0, count, shape).astype(float)


def gradient_loop(ids, dy, count):
    table = np.zeros((count, dy.shape[-1]))
    for place, id in np.ndenumerate(ids):
        table[int(id)] += dy[place]
    return table


@pytest.mark.parametrize(
    ("shape", "count", "width"),
    [((1,), 1, 1), ((3, 5), 7, 3), ((4, 2, 3), 11, 5), ((13, 31), 301, 17), ((2, 3), 1500, 8)],
    ids=str,
)
def test_output_and_gradient_are_lookup_and_sum(shape, count, width):
    ids = ids_of(*shape, count=count)
    network = Network([Embedding(input_dim=count, output_dim=width)], ids)
    result = network.run()
    table = result.variables["embedding_1/embeddings"]
    assert np.array_equal(result.outputs, table[ids.astype(int)])
    expected = gradient_loop(ids, network.coefficients / len(ids), count)
    np.testing.assert_allclose(result.gradients["embedding_1/embeddings"], expected, rtol=1e-12, atol=1e-15)
    assert result.input_gradients == {}
    assert np.array_equal(network.run().gradients["embedding_1/embeddings"], result.gradients["embedding_1/embeddings"])


def test_gradients_are_central_differences():
    layers = [Embedding(input_dim=9, output_dim=4), LayerNormalization(), Flatten(), Dense(units=2)]
    check_gradients(Network(layers, ids_of(5, 3, count=7)))


def test_bits_do_not_depend_on_threads_or_company():
    ids = ids_of(11, 13, count=400)
    same_bits_on_threads([Embedding(input_dim=400, output_dim=33)], ids)
    batch_equals_samples([Embedding(input_dim=400, output_dim=5)], ids[:5])


@pytest.mark.parametrize("bad", [-1.0, 7.0, 1e30, 2.5, np.nan, -np.inf])
def test_ids_outside_the_table_become_nan_and_stop_the_step(bad):
    ids = ids_of(3, 4, count=7)
    ids[1, 2] = bad
    outputs = Network([Embedding(input_dim=7, output_dim=3)], ids, gradients=False).run().outputs
    assert np.isnan(outputs[1, 2]).all()
    assert np.isnan(outputs).sum() == 3
    network = Network([Embedding(input_dim=7, output_dim=3)], ids)
    outcome = network.executor.run(np.array([[3, 0, 0, 1, 1]]), np.zeros((1, 1)))
    assert (outcome.steps, outcome.status) == (0, 1)
    assert not network.executor.array("gradient/embedding_1/embeddings").any()


def test_a_frozen_table_gets_no_gradient():
    layers = [Embedding(input_dim=9, output_dim=4, trainable=False), Flatten(), Dense(units=2)]
    assert sorted(Network(layers, ids_of(5, 3, count=7)).run().gradients) == ["dense_1/bias", "dense_1/kernel"]


def test_zero_is_masked():
    ids = np.array([[0, 3, 0], [1, 0, 2]], float)
    network = Network([Embedding(input_dim=9, output_dim=4, mask_zero=True), LayerNormalization()], ids)
    network.run()
    assert network.executor.array("embedding_1/mask").tolist() == [0, 1, 0, 1, 0, 1]


def trained_table(optimizer, ids, steps=3, threads=2, **options):
    """The table after steps of an optimizer, and the gradients' coefficients."""
    model = Network([Embedding(input_dim=40, output_dim=6)], ids)
    rule = OptimizerRule(OPTIMIZERS[optimizer].model_validate(options))
    plan = compile_plan(
        model.model, Goal(training=True, gradients=True, collect=False), rule, "float64", len(ids), threads, 0
    )
    executor = Executor(plan, threads, {k: v for k, v in model.executor.data.items() if k != "scalars"})
    start = model.executor.array("embedding_1/embeddings").copy()
    executor.array("embedding_1/embeddings")[:] = start
    table = np.array([[len(ids), step, 0, 1, 1] for step in range(steps)])
    numbers = np.arange(steps)
    scalars = rule.optimizer.scalars(numbers, np.full(steps, rule.optimizer.learning_rate))
    assert executor.run(table, scalars).finished
    return start.reshape(40, 6), executor.array("embedding_1/embeddings").reshape(40, 6).copy(), model.coefficients


@pytest.mark.parametrize(("name", "momentum"), [("adam", 0), ("sgd", 0.9), ("sgd", 0)])
def test_training_is_pytorchs_with_a_dense_gradient(name, momentum):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ids = ids_of(5, 3, count=30)
    options = {"learning_rate": 0.1} | ({"momentum": momentum} if name == "sgd" else {})
    start, trained, coefficients = trained_table(name, ids, **options)
    layer = torch.nn.Embedding(40, 6, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(start))
    arguments = {"lr": 0.1} | ({"momentum": momentum} if name == "sgd" else {})
    optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[name](layer.parameters(), **arguments)
    for _ in range(3):
        optimizer.zero_grad()
        (layer(torch.tensor(ids.astype(int))) * torch.tensor(coefficients)).sum().div(len(ids)).backward()
        optimizer.step()
    np.testing.assert_allclose(trained, layer.weight.detach().numpy(), rtol=1e-9, atol=1e-12)


def graph_of(layer, feature):
    return build_graph([layer], [("model", "layers", 0)], Signature({"word": feature}))


def test_the_data_say_how_many_ids_there_are():
    words = Feature("word", (5,), "int32", "category", classes=("a", "b", "c"))
    assert graph_of(Embedding(output_dim=2), words).output.variables[0].shape == (3, 2)
    assert graph_of(Embedding(output_dim=2, input_dim=9), words).output.variables[0].shape == (9, 2)
    with pytest.raises(ConfigError, match=r"input_dim is 2, but the data input 'word' has 3 different ids"):
        graph_of(Embedding(output_dim=2, input_dim=2), words)
    with pytest.raises(ConfigError, match="can't tell how many different ids"):
        graph_of(Embedding(output_dim=2), Feature("word", (5,), "int32"))
    with pytest.raises(ConfigError, match=r"mask_zero needs a sequence of ids, of shape \(time,\), got \(5, 2\)"):
        graph_of(Embedding(output_dim=2, input_dim=2, mask_zero=True), Feature("word", (5, 2), "int32"))


def test_plain_descent_has_the_same_bits_on_any_threads():
    ids = ids_of(7, 9, count=30)
    tables = [trained_table("sgd", ids, threads=threads)[1] for threads in (1, 2, 3, 4)]
    for table in tables[1:]:
        assert np.array_equal(table, tables[0])
    start, trained, _ = trained_table("sgd", ids)
    occurs = np.isin(np.arange(40), ids)
    assert ((trained != start).any(axis=1) == occurs).all()
