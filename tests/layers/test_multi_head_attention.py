"""Multi-head attention against plain loops, PyTorch, central differences, and itself on other threads and alone."""

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import Embedding, LayerNormalization, MultiHeadAttention
from tests.support.network import Network, batch_equals_samples, check_gradients, same_bits_on_threads

BIASES = {"bias_initializer": "random_normal"}


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def rotated(x):
    """x (time, width), features i and i + width / 2 turned by position * 10000^(-2 i / width)."""
    time, width = x.shape
    angle = np.arange(time)[:, None] * 10000.0 ** (-2 * np.arange(width // 2) / width)
    a, b = x[:, : width // 2], x[:, width // 2 :]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], 1)


def attention_loop(q, k, v, heads, causal=False, mask=None, turn=lambda x: x):
    """Context (queries, heads * value width) of one sample; q, k (time, heads * width), v."""
    result = np.zeros((len(q), v.shape[1]))
    key_width, value_width = q.shape[1] // heads, v.shape[1] // heads
    for h in range(heads):
        mine = slice(h * value_width, (h + 1) * value_width)
        qs, ks = (turn(x[:, h * key_width : (h + 1) * key_width]) for x in (q, k))
        for i in range(len(q)):
            seen = [j for j in range(len(k)) if not (causal and j > i) and (mask is None or mask[j])]
            if not seen:
                continue
            scores = np.array([qs[i] @ ks[j] for j in seen]) / np.sqrt(key_width)
            weights = np.exp(scores - scores.max())
            result[i, mine] = weights / weights.sum() @ v[seen, mine]
    return result


def expected(variables, name, inputs, heads, widths, **options):
    """The layer's output for arrays (rows, time, features), from the variables of its parts."""
    parts = {
        1: [("query_key_value", 0)],
        2: [("query", 0), ("key_value", 1)],
        3: [("query", 0), ("key", 2), ("value", 1)],
    }[len(inputs)]
    outputs = []
    for n in range(len(inputs[0])):
        projected = [
            inputs[i][n] @ variables[f"{name}/{part}/kernel"] + variables.get(f"{name}/{part}/bias", 0)
            for part, i in parts
        ]
        if len(parts) < 3:
            split = {1: [widths[0], 2 * widths[0]], 2: [widths[0]]}[len(parts)]
            projected = [*projected[:-1], *np.split(projected[-1], split, axis=1)]
        mask = options.get("mask")
        rest = {k: v for k, v in options.items() if k != "mask"}
        context = attention_loop(*projected, heads, mask=None if mask is None else mask[n], **rest)
        outputs.append(context @ variables[f"{name}/output/kernel"] + variables.get(f"{name}/output/bias", 0))
    return np.array(outputs)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    ("rows", "time", "features", "fields"),
    [
        (1, 1, 1, {"num_heads": 1}),
        (3, 7, 6, {"num_heads": 2}),
        (2, 33, 10, {"num_heads": 3, "key_dim": 5, "causal": True}),
        (2, 40, 8, {"num_heads": 1, "key_dim": 17, "value_dim": 3, "causal": True}),
        (3, 19, 8, {"num_heads": 2, "rotary": True, "use_bias": False}),
        (1, 70, 12, {"num_heads": 2, "rotary": True, "causal": True, "value_dim": 18}),
    ],
    ids=str,
)
def test_self_attention_is_the_plain_loop(precision, rows, time, features, fields):
    x = values(rows, time, features)
    result = Network([MultiHeadAttention(name="a", **fields, **BIASES)], x, precision, gradients=False).run()
    width = fields["num_heads"] * fields.get("key_dim", features // fields["num_heads"])
    options = {"causal": fields.get("causal", False)} | ({"turn": rotated} if fields.get("rotary") else {})
    wanted = expected(result.variables, "a", [x], fields["num_heads"], (width,), **options)
    tolerance = 1e-10 if precision == "float64" else 3e-5
    np.testing.assert_allclose(result.outputs, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (5, 9), (37, 4)])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_to_other_sequences_is_the_plain_loop(count, queries, keys, causal):
    arrays = {"q": values(2, queries, 6), "v": values(2, keys, 5, seed=2), "k": values(2, keys, 7, seed=3)}
    arrays = dict(list(arrays.items())[:count])
    layer = MultiHeadAttention(
        name="a", inputs=tuple(arrays), num_heads=2, key_dim=3, value_dim=4, causal=causal, **BIASES
    )
    network = Network([layer], arrays)
    result = network.run()
    wanted = expected(result.variables, "a", list(arrays.values()), 2, (6,), causal=causal)
    np.testing.assert_allclose(result.outputs, wanted, rtol=1e-10, atol=1e-12)
    check_gradients(network, most=25)


@pytest.mark.parametrize(
    ("time", "fields"),
    [
        (1, {"num_heads": 1}),
        (6, {"num_heads": 2, "value_dim": 3}),
        (19, {"num_heads": 2, "causal": True}),
        (35, {"num_heads": 1, "key_dim": 3, "causal": True}),
        (5, {"num_heads": 2, "rotary": True, "use_bias": False}),
        (6, {"num_heads": 2, "dropout": 0.4}),
        (20, {"num_heads": 1, "dropout": 0.4, "causal": True, "rotary": True}),
    ],
    ids=str,
)
def test_gradients_are_central_differences(time, fields):
    check_gradients(Network([MultiHeadAttention(**fields, **BIASES)], values(2, time, 4)), most=40)


PADDED = np.array([[3, 1, 2, 0, 0], [0, 0, 4, 1, 0], [1, 2, 3, 4, 5], [0, 0, 0, 0, 0]], float)


@pytest.mark.parametrize("causal", [False, True])
def test_padded_keys_are_left_out(causal):
    layers = [
        Embedding(input_dim=6, output_dim=4, mask_zero=True, name="e"),
        LayerNormalization(name="n"),
        MultiHeadAttention(num_heads=2, causal=causal, name="a", **BIASES),
    ]
    network = Network(layers, PADDED)
    result = network.run()
    x = network.executor.array("n/output").reshape(4, 5, 4)
    wanted = expected(result.variables, "a", [x], 2, (4,), causal=causal, mask=PADDED != 0)
    np.testing.assert_allclose(result.outputs, wanted, rtol=1e-10, atol=1e-12)
    check_gradients(network, most=30)


def test_the_mask_is_that_of_the_keys_and_goes_on_with_the_queries():
    words = {"q": PADDED[:, :3], "v": PADDED}
    layers = [
        Embedding(input_dim=6, output_dim=4, mask_zero=True, name="queries", inputs=("q",)),
        Embedding(input_dim=6, output_dim=4, mask_zero=True, name="values", inputs=("v",)),
        MultiHeadAttention(num_heads=2, name="a", inputs=("queries", "values")),
        MultiHeadAttention(num_heads=1, name="b"),
    ]
    network = Network(layers, words, gradients=False)
    masks = {
        call.node: call.arguments["mask"].name
        for call in network.plan.calls
        if call.kernel.name == "attention_forward" and call.arguments["masked"]
    }
    assert masks == {"a/heads": "values/mask", "b/heads": "queries/mask"}


@pytest.mark.parametrize("fields", [{}, {"causal": True, "rotary": True}, {"dropout": 0.3}], ids=str)
def test_bits_do_not_depend_on_threads(fields):
    same_bits_on_threads([MultiHeadAttention(num_heads=3, **fields)], values(7, 37, 12))


def test_a_batch_equals_its_samples():
    batch_equals_samples([MultiHeadAttention(num_heads=3, causal=True)], values(5, 21, 12))


def test_dropout_drops_about_its_share_and_keeps_the_mean():
    x = values(4, 50, 8)
    layer = MultiHeadAttention(num_heads=2, dropout=0.25, name="a")
    training = Network([layer], x)
    training.run()
    saved = training.executor.array("a/heads/probabilities")
    assert abs((saved < 0).sum() / (8 * 50 * 50) - 0.25) < 0.02
    sums = np.abs(saved).reshape(4, 2, 52, 50).sum(axis=2)
    np.testing.assert_allclose(sums, 1, rtol=1e-12)
    plain = Network([MultiHeadAttention(num_heads=2, name="a")], x, gradients=False).run().outputs
    quiet = Network([layer], x, training=False, gradients=False).run().outputs
    assert np.array_equal(plain, quiet)


def test_scores_of_any_size_are_taken():
    x = 1e4 * values(2, 9, 4)
    result = Network([MultiHeadAttention(num_heads=2)], x, "float32").run()
    assert np.isfinite(result.outputs).all()
    assert all(np.isfinite(gradient).all() for gradient in result.gradients.values())


@pytest.mark.parametrize("causal", [False, True])
def test_output_and_gradients_are_pytorchs(causal):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = values(3, 11, 8)
    network = Network([MultiHeadAttention(num_heads=2, causal=causal, name="a", **BIASES)], x)
    result = network.run()
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64)
    names = {
        "in_proj_weight": "query_key_value/kernel", "in_proj_bias": "query_key_value/bias",
        "out_proj.weight": "output/kernel", "out_proj.bias": "output/bias",
    }  # fmt: skip
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.copy_(torch.tensor(result.variables[f"a/{names[name]}"].T))
    leaf = torch.tensor(x, requires_grad=True)
    forbidden = torch.ones(11, 11, dtype=torch.bool).triu(1) if causal else None
    y, _ = theirs(leaf, leaf, leaf, attn_mask=forbidden, need_weights=False)
    (y * torch.tensor(network.coefficients)).sum().div(3).backward()
    np.testing.assert_allclose(result.outputs, y.detach().numpy(), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(result.input_gradients["x"], leaf.grad.numpy(), rtol=1e-8, atol=1e-11)
    for name, parameter in theirs.named_parameters():
        mine = result.gradients[f"a/{names[name]}"]
        np.testing.assert_allclose(mine.T, parameter.grad.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_heads": 3}, "4 features can't be shared out to 3 heads"),
        ({"num_heads": 1, "key_dim": 3, "rotary": True}, "rotary turns pairs of features, but key_dim is 3"),
        ({"num_heads": 1, "rotary": True, "inputs": ("x", "x")}, "rotary turns queries and keys of one sequence"),
        ({"num_heads": 1, "inputs": ("x", "x", "x", "x")}, "takes 1 to 3 inputs, got 4"),
    ],
)
def test_mistakes_are_named(fields, message):
    with pytest.raises(ConfigError, match=message):
        Network([MultiHeadAttention(**fields)], values(2, 5, 4))


def test_the_input_must_be_a_sequence():
    with pytest.raises(ConfigError, match=r"needs an input of shape \(time, features\), got \(4,\)"):
        Network([MultiHeadAttention(num_heads=1)], values(2, 4))
