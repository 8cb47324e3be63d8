"""Convolutions and pools over padded sequences: padding is left out, as if it weren't there."""

import numpy as np
import pytest

from dlrun.layers import (
    AveragePool1D,
    Concatenate,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool1D,
    GlobalMaxPool1D,
    MaxPool1D,
    SpatialDropout,
)
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

LENGTHS = (7, 4, 1, 0, 6, 2)
WORDS = Embedding(input_dim=9, output_dim=5, mask_zero=True, name="words")
POOLS = {"average": GlobalAveragePool1D, "max": GlobalMaxPool1D}


def ids(lengths=LENGTHS, time=7, seed=1):
    """Return ids of sequences of these lengths, padded with zeros."""
    drawn = np.random.default_rng(seed).integers(1, 9, (len(lengths), time)).astype(float)
    return drawn * (np.arange(time) < np.array(lengths)[:, None])


def run(layers, x, **options):
    return Network(layers, x, training=False, gradients=False, **options).run().outputs


def masks(layers, x):
    """Return the mask of the output."""
    network = Network([*layers, Dropout(rate=0.5)], x, training=False, gradients=False)
    network.run()
    name = next(name for name in reversed(network.plan.buffers) if name.endswith("/mask"))
    return network.executor.array(name).reshape(len(x), -1)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("pool", POOLS)
def test_pools_leave_padding_out(pool, keepdims):
    vectors = run([WORDS], ids())
    outputs = run([WORDS, POOLS[pool](keepdims=keepdims)], ids())
    reduce = {"average": np.mean, "max": np.max}[pool]
    for length, x, y in zip(LENGTHS, vectors, outputs, strict=True):
        expected = reduce(x[:length], axis=0, keepdims=keepdims) if length else np.zeros_like(y)
        np.testing.assert_allclose(y, expected, rtol=1e-13)


@pytest.mark.parametrize("pool", POOLS)
def test_gradients_of_pools_are_central_differences(pool):
    layers = [WORDS, Dense(units=5, activation="tanh"), POOLS[pool](), Dense(units=2)]
    check_gradients(Network(layers, ids()))


@pytest.mark.parametrize("time", range(1, 12))
def test_the_largest_is_found_wherever_padding_is(time):
    """Real positions are compared four at a time where there are so many, and the others one by one."""
    x = ids((time,) * 20, time) * (np.random.default_rng(time).random((20, time)) < 0.8)
    vectors = run([WORDS], x)
    expected = np.where(x[..., None] > 0, vectors, -np.inf).max(1)
    expected[np.isinf(expected)] = 0
    np.testing.assert_array_equal(run([WORDS, GlobalMaxPool1D()], x), expected)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"kernel_size": 3, "padding": "same"}, [7, 4, 1, 0, 6, 2]),
        ({"kernel_size": 4, "padding": "same", "dilation_rate": 2}, [7, 4, 1, 0, 6, 2]),
        ({"kernel_size": 3, "padding": "causal"}, [7, 4, 1, 0, 6, 2]),
        ({"kernel_size": 3, "padding": "causal", "strides": 2}, [4, 2, 1, 0, 3, 1]),
        ({"kernel_size": 3, "padding": "same", "strides": 3}, [3, 2, 1, 0, 2, 1]),
        ({"kernel_size": 1, "strides": 2}, [4, 2, 1, 0, 3, 1]),
        ({"kernel_size": 3}, [5, 2, 1, 0, 4, 1]),
        ({"kernel_size": 2, "dilation_rate": 3}, [4, 1, 1, 0, 3, 2]),
    ],
)
def test_convolutions_say_which_outputs_are_real(fields, expected):
    found = masks([WORDS, Conv1D(filters=2, **fields)], ids())
    np.testing.assert_array_equal(found, np.arange(found.shape[1]) < np.array(expected)[:, None])


def tower(kernel_size, **fields):
    name = f"of_{kernel_size}"
    convolution = Conv1D(filters=3, kernel_size=kernel_size, activation="relu", inputs=("words",), **fields)
    return [convolution, GlobalMaxPool1D(name=name)]


def text_towers():
    return [WORDS, *tower(2), *tower(3), Concatenate(inputs=("of_2", "of_3")), Dense(units=2)]


def test_towers_give_a_text_the_same_whatever_the_padding():
    short = ids((7, 4, 3, 6))
    expected = run(text_towers(), short)
    for more in (1, 5):
        longer = np.pad(short, ((0, 0), (0, more)))
        np.testing.assert_allclose(run(text_towers(), longer), expected, rtol=1e-13)
    before = np.pad(short, ((0, 0), (2, 0)))
    np.testing.assert_allclose(run(text_towers(), before), expected, rtol=1e-13)


def test_towers_gradients_threads_and_company():
    check_gradients(Network(text_towers(), ids()))
    same_bits_on_threads(text_towers(), ids())
    batch_equals_samples(text_towers(), ids())


def test_sequences_side_by_side_are_real_where_all_are():
    second = Embedding(input_dim=9, output_dim=2, mask_zero=True, name="second", inputs=("b",))
    layers = [WORDS.model_copy(update={"inputs": ("a",)}), second]
    inputs = {"a": ids(), "b": ids((3, 7, 2, 1, 6, 0), seed=2)}
    both = (inputs["a"] > 0) & (inputs["b"] > 0)
    network = Network([*layers, Concatenate(inputs=("words", "second"), name="both")], inputs)
    network.run()
    np.testing.assert_array_equal(network.executor.array("both/mask").reshape(both.shape), both)
    alone = [*layers, SpatialDropout(rate=0.1, inputs=("words",), name="dropped")]
    network = Network([*alone, Concatenate(inputs=("words", "dropped"), name="both")], inputs)
    network.run()
    np.testing.assert_array_equal(network.executor.array("both/mask").reshape(both.shape), inputs["a"] > 0)


def test_sequences_one_after_the_other_keep_their_masks():
    plain = Embedding(input_dim=9, output_dim=5, name="plain", inputs=("b",))
    inputs = {"a": ids(), "b": ids((2,) * 6, 3, seed=2)}
    layers = [WORDS.model_copy(update={"inputs": ("a",)}), plain]
    for names, expected in (
        (("words", "plain"), np.concatenate([inputs["a"] > 0, np.ones((6, 3))], 1)),
        (("plain", "words"), np.concatenate([np.ones((6, 3)), inputs["a"] > 0], 1)),
    ):
        joined = Concatenate(axis=1, inputs=names, name="joined")
        network = Network([*layers, joined, GlobalAveragePool1D()], inputs)
        network.run()
        np.testing.assert_array_equal(network.executor.array("joined/mask").reshape(6, 10), expected)
        check_gradients(network)


def test_the_average_is_pytorchs_of_packed_sequences():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    network = Network([WORDS, GlobalAveragePool1D()], ids((7, 4, 1, 6)))
    result = network.run()
    table = torch.tensor(result.variables["words/embeddings"], requires_grad=True)
    index = torch.tensor(ids((7, 4, 1, 6))).long()
    bags = torch.nn.functional.embedding_bag(index, table, mode="mean", padding_idx=0)
    (bags * torch.tensor(network.coefficients)).sum().div(4).backward()
    np.testing.assert_allclose(result.outputs, bags.detach(), rtol=1e-12)
    np.testing.assert_allclose(result.gradients["words/embeddings"], table.grad, rtol=1e-10, atol=1e-14)


WINDOWS = [
    {"pool_size": 2},
    {"pool_size": 3, "strides": 1},
    {"pool_size": 3, "padding": "same"},
    {"pool_size": 2, "strides": 3, "padding": "same"},
    {"pool_size": 7},
]
WINDOW_POOLS = {"average": (AveragePool1D, np.mean), "max": (MaxPool1D, np.max)}


@pytest.mark.parametrize("fields", WINDOWS, ids=str)
@pytest.mark.parametrize("pool", WINDOW_POOLS)
def test_pools_of_windows_leave_padding_out(pool, fields):
    kind, reduce = WINDOW_POOLS[pool]
    x = ids() * (np.random.default_rng(5).random((len(LENGTHS), 7)) < 0.8)
    layer = kind(**fields)
    network = Network([WORDS, layer, Dropout(rate=0.5)], x, training=False, gradients=False)
    vectors, outputs = run([WORDS], x), network.run().outputs
    window = layer.geometry((7, 5)).x
    mask = network.executor.array(f"{layer.type}_1/mask").reshape(len(x), window.out)
    for n in range(len(x)):
        for o in range(window.out):
            first = o * window.stride - window.before
            real = [vectors[n, t] for t in range(max(first, 0), min(first + window.size, 7)) if x[n, t] > 0]
            expected = reduce(real, axis=0) if real else np.zeros(5)
            np.testing.assert_allclose(outputs[n, o], expected, rtol=1e-13)
            assert mask[n, o] == (len(real) > 0)


@pytest.mark.parametrize("fields", WINDOWS, ids=str)
@pytest.mark.parametrize("pool", WINDOW_POOLS)
def test_gradients_of_pools_of_windows(pool, fields):
    layers = [WORDS, Dense(units=5, activation="tanh"), WINDOW_POOLS[pool][0](**fields), Flatten(), Dense(units=2)]
    check_gradients(Network(layers, ids()), most=100)


def deep_network():
    layers = [WORDS, Conv1D(filters=4, kernel_size=2, activation="relu", padding="same"), MaxPool1D(pool_size=2)]
    return [*layers, Conv1D(filters=3, kernel_size=2, padding="causal"), GlobalAveragePool1D(), Dense(units=2)]


def test_a_deep_network_gives_a_text_the_same_whatever_follows_it():
    """With room for the half window that reaches beyond the text's end."""
    padded = np.pad(ids(), ((0, 0), (0, 1)))
    longer = np.pad(padded, ((0, 0), (0, 6)))
    np.testing.assert_allclose(run(deep_network(), longer), run(deep_network(), padded), rtol=1e-13)
    check_gradients(Network(deep_network(), padded))
    same_bits_on_threads(deep_network(), padded)
    batch_equals_samples(deep_network(), padded)


def test_without_a_mask_convolution_and_pool_are_one_still():
    layers = [WORDS.model_copy(update={"mask_zero": False}), *deep_network()[1:]]
    for masked, network in ((False, Network(layers, ids())), (True, Network(deep_network(), ids()))):
        names = [call.kernel.name for call in network.plan.calls]
        assert ("masked_windows_max_forward" in names) == masked
        assert any(name.startswith("conv_pool") for name in names) != masked
