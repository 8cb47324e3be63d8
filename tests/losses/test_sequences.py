"""Cross-entropy of a class at each position of a sequence: its formula, PyTorch, and itself on other threads."""

import numpy as np
import pytest

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import UpdateRule
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ShapeError
from dlrun.executor.executor import Executor
from dlrun.layers import LAYERS
from dlrun.losses import LOSSES

CROSS, BINARY = LOSSES["cross_entropy"], LOSSES["binary_crossentropy"]
generator = np.random.default_rng(0)


def softmax(z):
    return np.exp(z - z.max()) / np.exp(z - z.max()).sum()


def sequence_loss(loss, outputs, labels, mask=None, precision="float64", threads=2, weights=None):
    """Losses, predictions and gradient of outputs (rows, time, classes); the output's mask is that of ids, if given."""
    rows, time, size = outputs.shape
    inputs = {"x": Feature("x", (time, size), "float64"), "ids": Feature("ids", (time,), "float64")}
    target = Feature("target", (time,), "int32", "labels", tuple("abcdefghijk"[:size]))
    layers = [
        LAYERS["embedding"](input_dim=2, output_dim=size, mask_zero=mask is not None, trainable=False, name="masked",
                            inputs=("ids",), embeddings_initializer="zeros"),
        LAYERS["add"](inputs=("masked", "x"), name="sum"),
    ]  # fmt: skip
    model = Model(layers, [("model", "layers", i) for i in range(2)], Signature(inputs, {"target": target}), loss)
    goal = Goal(gradients=True, input_gradients=True, keep=True, collect=False, weighted=weights is not None)
    plan = compile_plan(model, goal, UpdateRule(), precision, rows, threads, 0)
    data = {
        "data/inputs/x": np.ascontiguousarray(outputs), "order": np.arange(rows),
        "data/inputs/ids": np.ones((rows, time)) if mask is None else mask.astype(np.float64),
        "data/targets/target": labels.astype(np.int32),
        "data/sample_weights": np.ones(rows, np.float32) if weights is None else weights.astype(np.float32),
    }  # fmt: skip
    executor = Executor(plan, threads, data)
    outcome = executor.run(np.array([[rows, 0, 0, 1, 1, 0]]), np.zeros((1, 1)))
    found = [executor.array(name).copy() for name in ("losses", "predictions", "sum/gradient")]
    return outcome, found[0], found[1].reshape(outputs.shape), found[2].reshape(outputs.shape)


def sequence_formula(formula, outputs, labels, real):
    """The mean over a sample's real positions, 0 where there are none."""
    terms = [formula(z, label) for z, label, counts in zip(outputs, labels, real, strict=True) if counts]
    return float(np.mean(terms)) if terms else 0.0


SEQUENCES = generator.standard_normal((5, 7, 11))
TOKENS = generator.integers(0, 11, (5, 7))
TOKENS[1, 3:], TOKENS[3] = -1, -1
MASK = generator.random((5, 7)) < 0.7


@pytest.mark.parametrize("fields", [{}, {"label_smoothing": 0.1, "class_weights": list(range(1, 12))}], ids=str)
@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
def test_cross_entropy_of_sequences_counts_real_positions(fields, mask):
    weights, smoothing = np.array([1.0, 2, 0.5, 3, 0]), fields.get("label_smoothing", 0)
    of_class = fields.get("class_weights", [1] * 11)
    _, losses, predictions, gradient = sequence_loss(CROSS(**fields), SEQUENCES, TOKENS, mask, weights=weights)
    real = (TOKENS >= 0) & (MASK if mask is not None else True)

    def formula(z, label):
        log_p = np.log(softmax(z))
        shares = np.full(11, smoothing / 11)
        shares[label] += 1 - smoothing
        return -of_class[label] * shares @ log_p

    for n in range(5):
        assert losses[n] == pytest.approx(weights[n] * sequence_formula(formula, SEQUENCES[n], TOKENS[n], real[n]))
        for q in range(7):
            np.testing.assert_allclose(predictions[n, q], softmax(SEQUENCES[n, q]) if real[n, q] else 0, rtol=1e-12)
    for n, q, i in np.ndindex(SEQUENCES.shape):
        step = np.zeros(SEQUENCES.shape)
        step[n, q, i] = 1e-6
        above, below = (sequence_formula(formula, (SEQUENCES + sign * step)[n], TOKENS[n], real[n]) for sign in (1, -1))
        assert gradient[n, q, i] == pytest.approx(weights[n] * (above - below) / 2e-6 / 5, rel=1e-5, abs=1e-9)


def test_cross_entropy_of_sequences_has_the_same_bits_on_any_threads():
    results = [sequence_loss(CROSS(), SEQUENCES, TOKENS, MASK, "float32", threads)[1:] for threads in (1, 2, 3)]
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_cross_entropy_of_sequences_is_pytorchs():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    _, losses, _, _ = sequence_loss(CROSS(), SEQUENCES[[0, 2, 4]], TOKENS[[0, 2, 4]])
    z, labels = torch.tensor(SEQUENCES[[0, 2, 4]]), torch.tensor(TOKENS[[0, 2, 4]])
    theirs = torch.nn.functional.cross_entropy(z.reshape(-1, 11), labels.reshape(-1))
    assert losses.mean() == pytest.approx(float(theirs))


def test_a_label_beyond_the_classes_stops_the_step():
    tokens = TOKENS.copy()
    tokens[2, 5] = 11
    outcome, losses, _, _ = sequence_loss(CROSS(), SEQUENCES, tokens)
    assert outcome.status == 1
    assert np.isnan(losses[2])


def test_sequences_of_labels_need_an_output_at_each_place():
    target = Feature("words", (7,), "int32", "labels", ("a", "b", "c"))
    CROSS().check((7, 3), target)
    for shape in ((3,), (7, 4), (6, 3)):
        with pytest.raises(ShapeError, match=r"'words' has 3 classes at each place of \(7,\), the network's output"):
            CROSS().check(shape, target)
    with pytest.raises(ShapeError, match="takes one class a row"):
        LOSSES["categorical_hinge"]().check((7, 3), target)
    with pytest.raises(ShapeError, match="takes one class a row"):
        BINARY().check((1,), Feature("words", (7,), "int32", "labels", ("a", "b")))
