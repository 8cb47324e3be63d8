"""The output embedding against its equation, central differences, PyTorch's tied weights, and on other threads."""

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import LSTM, Dense, Embedding, LayerNormalization, OutputEmbedding
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads
from tests.support.training import Training, differing


def ids_of(*shape, count, seed=1):
    return np.random.default_rng(seed).integers(0, count, shape).astype(float)


def tied(count, width, **options):
    return [
        Embedding(input_dim=count, output_dim=width, name="words"), LayerNormalization(),
        OutputEmbedding(embedding="words", **options),
    ]  # fmt: skip


@pytest.mark.parametrize(("shape", "count", "width"), [((1, 1), 1, 1), ((3, 5), 7, 3), ((9, 40), 301, 33)], ids=str)
@pytest.mark.parametrize("use_bias", [True, False])
def test_output_is_the_product_with_the_turned_table(shape, count, width, use_bias):
    random = np.random.default_rng(0)
    layers = [
        Embedding(input_dim=count, output_dim=width, name="words"), Dense(units=width, use_bias=False),
        OutputEmbedding(embedding="words", use_bias=use_bias, bias_initializer={"type": "random_normal"}),
    ]  # fmt: skip
    ids = random.integers(0, count, shape).astype(float)
    result = Network(layers, ids).run()
    table, kernel = result.variables["words/embeddings"], result.variables["dense_1/kernel"]
    bias = result.variables["output_embedding_1/bias"] if use_bias else 0
    expected = np.einsum("rpi,ij,nj->rpn", table[ids.astype(int)], kernel, table) + bias
    np.testing.assert_allclose(result.outputs, expected, rtol=1e-9, atol=1e-12)


def test_the_tables_gradient_is_the_sum_of_both_places():
    check_gradients(Network(tied(9, 4), ids_of(5, 3, count=9)))
    check_gradients(Network(tied(31, 6, use_bias=False), ids_of(17, 31, count=31)), most=60)


def test_bits_do_not_depend_on_threads_or_company():
    same_bits_on_threads(tied(150, 33), ids_of(11, 13, count=150))
    batch_equals_samples(tied(70, 20), ids_of(5, 4, count=70))


@pytest.mark.parametrize(
    "options", [{}, {"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"gradient_accumulation_steps": 2}, {"use_ema": True}],
    ids=str,
)  # fmt: skip
def test_training_has_the_same_bits_on_any_threads(options):
    layers = [
        {"type": "embedding", "name": "words", "input_dim": 40, "output_dim": 8, "embeddings_regularizer": "l2"},
        {"type": "lstm", "units": 8, "return_sequences": True},
        {"type": "output_embedding", "embedding": "words"},
    ]
    x = ids_of(19, 5, count=40)
    first = Training(layers, x, 1, **options).run()
    for threads in (2, 3):
        assert differing(first, Training(layers, x, threads, **options).run()) == []


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [("sgd", {}), ("sgd", {"momentum": 0.9}), ("adam", {"epsilon": 1e-10}), ("sgd", {"clipnorm": 1e-3})],
    ids=str,
)
def test_training_is_pytorchs_with_tied_weights(optimizer, options):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    count, width = 23, 6
    layers = [
        {"type": "embedding", "name": "words", "input_dim": count, "output_dim": width},
        {"type": "dense", "units": width, "activation": "tanh"},
        {"type": "output_embedding", "embedding": "words"},
    ]
    training = Training(layers, ids_of(8, 5, count=count), 2, optimizer, **options)
    array = training.executor.array
    words, inner, out = torch.nn.Embedding(count, width), torch.nn.Linear(width, width), torch.nn.Linear(width, count)
    with torch.no_grad():
        words.weight.copy_(torch.tensor(array("words/embeddings").reshape(count, width)))
        inner.weight.copy_(torch.tensor(array("dense_1/kernel").reshape(width, width).T.copy()))
        inner.bias.zero_()
        out.bias.zero_()
    out.weight = words.weight
    parameters = [words.weight, inner.weight, inner.bias, out.bias]
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    given = {"eps": 1e-10} if optimizer == "adam" else {"momentum": options.get("momentum", 0)}
    steps = kinds[optimizer](parameters, lr=0.01, **given)
    data = training.executor.data
    ids, target = (torch.tensor(data[f"data/{name}"][data["order"]]) for name in ("inputs/x", "targets/target"))
    for _ in range(3):
        steps.zero_grad()
        ((out(torch.tanh(inner(words(ids.long())))) - target) ** 2).mean().backward()
        for parameter in parameters if "clipnorm" in options else ():
            torch.nn.utils.clip_grad_norm_([parameter], options["clipnorm"])
        steps.step()
    found = training.run(3)
    close = {"rtol": 1e-3, "atol": 1e-5}
    np.testing.assert_allclose(found["words/embeddings"], words.weight.detach().numpy().ravel(), **close)
    np.testing.assert_allclose(found["output_embedding_1/bias"], out.bias.detach(), **close)


def test_a_table_that_a_recurrent_layer_reads_itself():
    layers = [
        Embedding(input_dim=5, output_dim=4, name="words"), LSTM(units=4, return_sequences=True),
        OutputEmbedding(embedding="words"),
    ]  # fmt: skip
    network = Network(layers, ids_of(6, 9, count=5))
    assert any("lookup" in kernel.name for kernel in network.plan.kernels), "the case that this test is about"
    check_gradients(network)


@pytest.mark.parametrize(("embedding", "output"), [(False, True), (True, False)])
def test_a_frozen_place_adds_no_gradient(embedding, output):
    ids = ids_of(5, 3, count=9)
    both = Network(tied(9, 4), ids).run().gradients["words/embeddings"]
    layers = tied(9, 4, trainable=output)
    layers[0] = layers[0].model_copy(update={"trainable": embedding})
    gradients = Network(layers, ids).run().gradients
    assert ("words/embeddings" in gradients) == embedding, "the table is frozen with the layer that it belongs to"
    if embedding:
        assert not np.array_equal(gradients["words/embeddings"], both)


WORDS = Embedding(input_dim=5, output_dim=4, name="w")
LONG = r"takes vectors as long as those of 'w', of shape \(..., 4\), got \(2, 3\)"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([WORDS, Dense(units=3), OutputEmbedding(embedding="w")], LONG),
        ([WORDS, OutputEmbedding(embedding="w", units=4)], "units is 4, but the table of 'w' has 5 rows"),
        ([Dense(units=2, name="w"), OutputEmbedding(embedding="w")], "the layer 'w' has no embeddings"),
        ([Dense(units=2), OutputEmbedding(embedding="none")], "no layer named 'none' comes before it"),
    ],
)
def test_tables_that_do_not_fit(layers, message):
    with pytest.raises(ConfigError, match=message):
        Network(layers, ids_of(3, 2, count=5))
