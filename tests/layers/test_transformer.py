"""Transformer blocks: the parts they expand into, PyTorch's own blocks, and central differences."""

import numpy as np
import pytest

from dlrun.errors import ConfigError
from dlrun.layers import Dense, Embedding, TransformerDecoder, TransformerEncoder
from tests.support.network import Network, check_gradients, same_bits_on_threads

FIELDS = {"intermediate_dim": 7, "num_heads": 2, "bias_initializer": "random_normal"}


def values(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def nodes(layer, x, **options):
    return list(Network([layer], x, gradients=False, **options).graph.nodes)


def test_an_encoder_shows_its_parts():
    attention = ["b/attention/query_key_value", "b/attention/heads", "b/attention/output"]
    x = values(1, 3, 4)
    assert nodes(TransformerEncoder(name="b", **FIELDS), x) == [
        *attention, "b/attention_add", "b/attention_norm", "b/dense_1", "b/dense_1/relu", "b/dense_2", "b/dense_add",
        "b/dense_norm",
    ]  # fmt: skip
    assert nodes(TransformerEncoder(name="b", normalize_first=True, dropout=0.1, **FIELDS), x) == [
        "b/attention_norm", *attention, "b/attention_dropout", "b/attention_add", "b/dense_norm", "b/dense_1",
        "b/dense_1/relu", "b/dense_2", "b/dense_dropout", "b/dense_add",
    ]  # fmt: skip


@pytest.mark.parametrize("normalize_first", [False, True])
@pytest.mark.parametrize("fields", [{}, {"normalization": "rms_normalization", "activation": "gelu", "rotary": True}])
def test_gradients_of_encoders_are_central_differences(normalize_first, fields):
    layers = [Dense(units=4), TransformerEncoder(normalize_first=normalize_first, **FIELDS, **fields)]
    check_gradients(Network(layers, values(2, 5, 3)), most=12, tolerance=3e-6)


@pytest.mark.parametrize("normalize_first", [False, True])
def test_gradients_of_decoders_are_central_differences(normalize_first):
    inputs = {"x": values(2, 5, 4), "memory": values(2, 3, 6, seed=2)}
    fields = {"activation": "tanh", **FIELDS}
    layer = TransformerDecoder(normalize_first=normalize_first, dropout=0.2, inputs=("x", "memory"), **fields)
    check_gradients(Network([layer], inputs), most=12, tolerance=3e-6)


def test_a_decoder_sees_nothing_of_the_future():
    x = values(1, 6, 4)
    layer = TransformerDecoder(**FIELDS)
    before = Network([layer], x, gradients=False).run().outputs
    x[0, 4:] += 1
    after = Network([layer], x, gradients=False).run().outputs
    assert np.array_equal(before[0, :4], after[0, :4])
    assert not np.allclose(before[0, 4:], after[0, 4:])


def test_masks_go_through_the_blocks():
    ids = np.array([[3, 1, 2, 0, 0]], float)
    layers = [
        Embedding(input_dim=6, output_dim=4, mask_zero=True, name="e"),
        TransformerEncoder(name="first", **FIELDS),
        TransformerEncoder(name="second", **FIELDS),
    ]
    masks = {
        call.node: call.arguments["mask"].name
        for call in Network(layers, ids, gradients=False).plan.calls
        if call.kernel.name == "attention_forward" and call.arguments["masked"]
    }
    assert masks == {"first/attention/heads": "e/mask", "second/attention/heads": "e/mask"}


def test_bits_do_not_depend_on_threads():
    same_bits_on_threads([TransformerDecoder(dropout=0.1, **FIELDS)], values(7, 13, 4))


def test_a_frozen_block_freezes_its_parts():
    network = Network([Dense(units=4), TransformerEncoder(trainable=False, **FIELDS)], values(2, 5, 4))
    assert network.run().gradients.keys() == {"dense_1/kernel", "dense_1/bias"}


def weights_of(torch, block, name, variables, parts):
    """Copy the variables of a block's parts into PyTorch's parameters; return their names on both sides."""
    pairs = {}
    for theirs, mine in parts.items():
        for suffix, variable in (("weight", "kernel"), ("bias", "bias")):
            join = "_" if theirs.endswith("in_proj") else "."
            variable = {"kernel": "gamma", "bias": "beta"}[variable] if "norm" in theirs else variable
            pairs[f"{theirs}{join}{suffix}"] = f"{name}/{mine}/{variable}"
    parameters = dict(block.named_parameters())
    assert parameters.keys() == pairs.keys()
    with torch.no_grad():
        for theirs, mine in pairs.items():
            parameters[theirs].copy_(torch.tensor(variables[mine].T))
    return pairs


@pytest.mark.parametrize("normalize_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoders_are_pytorchs(normalize_first, activation):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x = values(3, 9, 8)
    layer = TransformerEncoder(name="b", normalize_first=normalize_first, activation=activation, **FIELDS)
    network = Network([layer], x)
    result = network.run()
    block = torch.nn.TransformerEncoderLayer(
        8, 2, 7, 0.0, activation, batch_first=True, norm_first=normalize_first, dtype=torch.float64
    )
    parts = {
        "self_attn.in_proj": "attention/query_key_value", "self_attn.out_proj": "attention/output",
        "linear1": "dense_1", "linear2": "dense_2", "norm1": "attention_norm", "norm2": "dense_norm",
    }  # fmt: skip
    pairs = weights_of(torch, block, "b", result.variables, parts)
    leaf = torch.tensor(x, requires_grad=True)
    y = block(leaf)
    (y * torch.tensor(network.coefficients)).sum().div(3).backward()
    np.testing.assert_allclose(result.outputs, y.detach().numpy(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(result.input_gradients["x"], leaf.grad.numpy(), rtol=1e-7, atol=1e-10)
    for name, parameter in block.named_parameters():
        np.testing.assert_allclose(result.gradients[pairs[name]].T, parameter.grad.numpy(), rtol=1e-7, atol=1e-9)


def test_mistakes_point_at_the_block():
    with pytest.raises(ConfigError, match=r"needs an input of shape \(time, features\)") as caught:
        Network([TransformerEncoder(**FIELDS)], values(2, 4))
    assert caught.value.problems[0].path == ("model", "layers", 0)
    with pytest.raises(
        ConfigError, match="in its part 'attention': 5 features can't be shared out to 2 heads"
    ) as caught:
        Network([TransformerEncoder(**FIELDS)], values(2, 4, 5))
    assert caught.value.problems[0].path == ("model", "layers", 0, "num_heads")
