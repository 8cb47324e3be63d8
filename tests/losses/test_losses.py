"""Every loss against its formula in NumPy, central differences of it, and itself on other threads."""

import numpy as np
import pytest

from dlrun.data.signature import Feature
from dlrun.errors import ShapeError
from dlrun.losses import LOSSES
from tests.losses.harness import build, run_loss, run_predictions

CROSS, BINARY = LOSSES["cross_entropy"], LOSSES["binary_crossentropy"]
ROWS, SIZE = 7, 5
generator = np.random.default_rng(0)
OUTPUTS = generator.standard_normal((ROWS, SIZE)) * 2
NUMBERS = generator.standard_normal((ROWS, SIZE))
SHARES = generator.uniform(size=(ROWS, SIZE))
BITS = generator.integers(0, 2, (ROWS, SIZE)).astype(float)
LABELS = generator.integers(0, SIZE, ROWS)
TWO = generator.integers(0, 2, ROWS)
WEIGHTS = generator.uniform(0.5, 2, ROWS).astype(np.float32)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def itself(z):
    return z


def mse(z, t):
    return np.mean((z - t) ** 2)


def binary(smoothing=0.0, positive=1.0):
    def loss(z, t):
        t = t * (1 - smoothing) + smoothing / 2
        p = sigmoid(z)
        return np.mean(-positive * t * np.log(p) - (1 - t) * np.log(1 - p))

    return loss


def weighed(classes):
    return lambda z, t: classes[int(t)] * binary()(z, t)


def cross(smoothing=0.0):
    def loss(z, label):
        t = np.full(len(z), smoothing / len(z))
        t[label] += 1 - smoothing
        return -np.sum(t * np.log(softmax(z)))

    return loss


def cross_of_shares(smoothing=0.0, weights=(1, 1, 1, 1, 1)):
    def loss(z, t):
        weight = np.dot(weights, t) / t.sum()
        t = t * (1 - smoothing) + smoothing / len(t)
        return -weight * np.sum(t * np.log(softmax(z)))

    return loss


def skewed_cross(z, label):
    return (1, 3, 1, 0.5, 1)[label] * cross()(z, label)


def divergence(z, t):
    return sum(share * np.log(share / p) for share, p in zip(t, softmax(z), strict=True) if share > 0)


def mae(z, t):
    return np.mean(np.abs(z - t))


def huber(delta):
    def loss(z, t):
        d = np.abs(z - t)
        return np.mean(np.where(d <= delta, d * d / 2, delta * d - delta * delta / 2))

    return loss


def log_cosh(z, t):
    return np.mean(np.log(np.cosh(z - t)))


def hinge(z, t):
    return np.mean(np.maximum(1 - np.where(t > 0, 1, -1) * z, 0))


def categorical_hinge(z, label):
    t = np.eye(len(z))[label]
    return max(0, np.max((1 - t) * z) - np.sum(t * z) + 1)


def poisson(z, t):
    return np.mean(z - t * np.log(z + 1e-7))


def poisson_log(z, t):
    return np.mean(np.exp(z) - t * z)


CLASSES = tuple("abcde")
COUNTS = generator.integers(0, 9, (ROWS, SIZE)).astype(float)
PARTS = SHARES / SHARES.sum(1, keepdims=True)
PARTS[0] = [0, 0.5, 0.5, 0, 0]
RISING = {"label_smoothing": 0.1, "class_weights": [1, 2, 3, 4, 5]}
POSITIVE = (1, 2, 3, 0.5, 1)
SKEWED = {"class_weights": {"b": 3, "d": 0.5}}

CASES = {
    "mse": (LOSSES["mse"](), mse, itself, OUTPUTS, NUMBERS, None),
    "mae": (LOSSES["mae"](), mae, itself, OUTPUTS, NUMBERS, None),
    "huber": (LOSSES["huber"](), huber(1), itself, OUTPUTS, NUMBERS, None),
    "huber, near": (LOSSES["huber"](delta=0.3), huber(0.3), itself, OUTPUTS, NUMBERS, None),
    "log_cosh": (LOSSES["log_cosh"](), log_cosh, itself, OUTPUTS, NUMBERS, None),
    "poisson": (LOSSES["poisson"](), poisson, itself, np.exp(OUTPUTS), COUNTS, None),
    "poisson, log": (LOSSES["poisson"](log_rate=True), poisson_log, np.exp, OUTPUTS, COUNTS, None),
    "hinge, bits": (LOSSES["hinge"](), hinge, itself, OUTPUTS, BITS, None),
    "hinge, signs": (LOSSES["hinge"](), hinge, itself, OUTPUTS, 2 * BITS - 1, None),
    "hinge, labels": (LOSSES["hinge"](), hinge, itself, OUTPUTS[:, :1], TWO, ("no", "yes")),
    "categorical_hinge": (LOSSES["categorical_hinge"](), categorical_hinge, itself, OUTPUTS, LABELS, CLASSES),
    "binary, many": (BINARY(), binary(), sigmoid, OUTPUTS, BITS, None),
    "binary, shares": (BINARY(label_smoothing=0.2, positive_weight=3), binary(0.2, 3), sigmoid, OUTPUTS, SHARES, None),
    "binary, labels": (BINARY(), binary(), sigmoid, OUTPUTS[:, :1], TWO, ("no", "yes")),
    "binary, each": (BINARY(positive_weight=POSITIVE), binary(0, np.array(POSITIVE)), sigmoid, OUTPUTS, BITS, None),
    "binary, weights": (BINARY(class_weights={"yes": 3}), weighed((1, 3)), sigmoid, OUTPUTS[:, :1], TWO, ("no", "yes")),
    "cross_entropy": (CROSS(), cross(), softmax, OUTPUTS, LABELS, CLASSES),
    "cross_entropy, smooth": (CROSS(label_smoothing=0.1), cross(0.1), softmax, OUTPUTS, LABELS, CLASSES),
    "cross_entropy, weights": (CROSS(**SKEWED), skewed_cross, softmax, OUTPUTS, LABELS, CLASSES),
    "cross_entropy, shares": (CROSS(**RISING), cross_of_shares(0.1, (1, 2, 3, 4, 5)), softmax, OUTPUTS, SHARES, None),
    "kl_divergence": (LOSSES["kl_divergence"](), divergence, softmax, OUTPUTS, PARTS, None),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@cases
def test_losses_and_predictions_are_the_formula(case):
    loss, formula, link, outputs, targets, classes = case
    result = run_loss(loss, outputs, targets, WEIGHTS, classes)
    for n in range(ROWS):
        assert result.losses[n] == pytest.approx(WEIGHTS[n] * formula(outputs[n], targets[n]), rel=1e-12)
        np.testing.assert_allclose(result.predictions[n], link(outputs[n]), rtol=1e-12)


@cases
def test_gradient_is_central_differences_of_the_formula(case):
    loss, formula, _, outputs, targets, classes = case
    gradient = run_loss(loss, outputs, targets, WEIGHTS, classes).gradient
    for n, i in np.ndindex(outputs.shape):
        step = np.zeros(outputs.shape[1])
        step[i] = 1e-6
        numeric = (formula(outputs[n] + step, targets[n]) - formula(outputs[n] - step, targets[n])) / 2e-6
        assert gradient[n, i] == pytest.approx(WEIGHTS[n] * numeric / ROWS, rel=1e-6, abs=1e-9)


@cases
def test_float32_is_close_and_the_same_on_any_threads(case):
    loss, _, _, outputs, targets, classes = case
    exact = run_loss(loss, outputs, targets, None, classes)
    results = [run_loss(loss, outputs, targets, None, classes, None, "float32", threads) for threads in (1, 2, 3)]
    for name in ("losses", "predictions", "gradient"):
        np.testing.assert_allclose(getattr(results[0], name), getattr(exact, name), rtol=1e-5, atol=1e-6)
        for other in results[1:]:
            assert np.array_equal(getattr(results[0], name), getattr(other, name))


@cases
def test_predictions_without_targets_have_the_same_bits(case):
    loss, _, _, outputs, targets, classes = case
    together = run_loss(loss, outputs, targets, None, classes, None, "float32").predictions
    assert np.array_equal(run_predictions(loss, outputs, "float32"), together)


@pytest.mark.parametrize("name", [case for case in CASES if hasattr(CASES[case][0], "over_outputs")])
def test_a_sum_over_the_outputs_is_so_many_means(name):
    loss, formula, _, outputs, targets, classes = CASES[name]
    summed = run_loss(loss.model_copy(update={"over_outputs": "sum"}), outputs, targets, WEIGHTS, classes)
    mean = run_loss(loss, outputs, targets, WEIGHTS, classes)
    size = outputs.shape[1]
    for n in range(ROWS):
        assert summed.losses[n] == pytest.approx(size * float(WEIGHTS[n]) * formula(outputs[n], targets[n]), rel=1e-12)
    np.testing.assert_allclose(summed.gradient, size * mean.gradient, rtol=1e-12)
    np.testing.assert_array_equal(summed.predictions, mean.predictions)


@cases
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
def test_a_loss_times_its_weight(case, weights):
    loss, _, _, outputs, targets, classes = case
    plain = run_loss(loss, outputs, targets, weights, classes)
    half = run_loss(loss.model_copy(update={"weight": 0.3}), outputs, targets, weights, classes)
    np.testing.assert_allclose(half.losses, 0.3 * plain.losses, rtol=1e-12)
    np.testing.assert_allclose(half.gradient, 0.3 * plain.gradient, rtol=1e-12)
    np.testing.assert_array_equal(half.predictions, plain.predictions)


def test_large_logits_stay_finite():
    outputs = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
    result = run_loss(BINARY(), outputs, np.array([[1.0, 0.0], [1.0, 0.0]]), precision="float32")
    assert result.losses.tolist() == [0.0, 1000.0]
    assert result.gradient.tolist() == [[0.0, 0.0], [-0.25, 0.25]]


def test_small_losses_keep_their_digits():
    outputs = np.array([[20.0], [30.0]])
    result = run_loss(BINARY(), outputs, np.ones((2, 1)), precision="float32")
    np.testing.assert_allclose(result.losses, np.log1p(np.exp(-outputs[:, 0])), rtol=1e-6)
    np.testing.assert_allclose(result.gradient[:, 0], -np.exp(-outputs[:, 0]) / 2, rtol=1e-6)


def test_every_loss_has_a_case():
    assert {case[0].type for case in CASES.values()} | {"bpr"} == set(LOSSES.names)  # bpr has tests/losses/test_bpr.py


def test_one_hot_shares_are_labels():
    labels = run_loss(CROSS(), OUTPUTS, LABELS, WEIGHTS, CLASSES)
    shares = run_loss(CROSS(), OUTPUTS, np.eye(SIZE)[LABELS], WEIGHTS)
    for name in ("losses", "predictions", "gradient"):
        np.testing.assert_allclose(getattr(labels, name), getattr(shares, name), rtol=1e-12, atol=1e-15)


def test_balanced_classes_weigh_the_same():
    counts = (10, 40, 10, 20, 20)
    loss = CROSS(class_weights="balanced")
    balanced = run_loss(loss, OUTPUTS, LABELS, None, CLASSES, counts)
    plain = run_loss(CROSS(), OUTPUTS, LABELS, None, CLASSES)
    np.testing.assert_allclose(balanced.losses, plain.losses * (20 / np.array(counts))[LABELS], rtol=1e-12)


def test_balanced_yes_and_no_weigh_the_same():
    outputs = OUTPUTS[:, :1]
    balanced = run_loss(BINARY(class_weights="balanced"), outputs, TWO, None, ("no", "yes"), (90, 10))
    plain = run_loss(BINARY(), outputs, TWO, None, ("no", "yes"))
    np.testing.assert_allclose(balanced.losses, plain.losses * np.array([100 / 180, 100 / 20])[TWO], rtol=1e-12)


def test_positive_weights_go_by_the_labels_names():
    loss = BINARY.model_validate({"positive_weight": {"c": 3, "a": 2}})
    target = Feature("tags", (3,), "float32", columns=("a", "b", "c"))
    assert loss._positive_weights(3, target) == (2, 1, 3)
    counts = ((90, 10), (50, 50), (100, 0))
    tags = Feature("tags", (3,), "float32", columns=("a", "b", "c"), label_counts=counts)
    assert BINARY(positive_weight="balanced")._positive_weights(3, tags) == (9, 1, 100)


@pytest.mark.parametrize("case", [case for case in CASES.values() if case[3] is OUTPUTS], ids=lambda case: str(case[0]))
def test_nan_ends_the_step(case):
    loss, _, _, outputs, targets, classes = case
    outputs = outputs.copy()
    outputs[3, 1] = np.nan
    executor = build(loss, outputs, targets, classes, None, "float32", 2, False)
    assert executor.run(np.array([[ROWS, 0, 0, 1, 1, 0]]), np.zeros((1, 1))).status == 1
    assert np.flatnonzero(np.isnan(executor.array("losses")[:ROWS])).tolist() == [3]


def labels(count):
    return Feature("species", (), "int32", "labels", tuple(f"c{i}" for i in range(count)))


def numbers(*shape):
    return Feature("price", shape, "float32")


@pytest.mark.parametrize(
    ("loss", "shape", "target", "message", "help"),
    [
        (CROSS(), (5,), labels(10), "the network's output has shape (5,)", "the last layer needs units: 10"),
        (CROSS(), (4, 4, 2), labels(10), "10 classes", "end the network with flatten and a dense layer of units: 10"),
        (CROSS(), (1,), numbers(), "'price' holds numbers of shape ()", "use loss: mse for numbers"),
        (CROSS(), (4,), numbers(3), "'price' has 3 shares", "the last layer needs units: 3"),
        (BINARY(), (1,), labels(3), "'species' has 3", "use loss: cross_entropy"),
        (BINARY(), (2,), labels(2), "one output for two classes", "the last layer needs units: 1"),
        (LOSSES["hinge"](), (1,), labels(3), "'species' has 3", "use loss: categorical_hinge"),
        (LOSSES["mse"](), (3,), labels(3), "'species' holds classes", "use loss: cross_entropy"),
        (LOSSES["mse"](), (2,), numbers(), "the network's output has shape (2,)", "the last layer needs units: 1"),
        (LOSSES["mse"](), (7, 4), numbers(4, 7), "shape (4, 7)", "end the network with a reshape layer"),
        (LOSSES["mse"](), (700,), numbers(28, 28, 1), "shape (28, 28, 1)", "(28, 28, 1)"),
        (LOSSES["kl_divergence"](), (3,), labels(3), "a share for each class", "use loss: cross_entropy"),
        (CROSS(class_weights=[1, 2]), (3,), labels(3), "class_weights has 2 entries", None),
        (CROSS(class_weights={"c7": 1}), (3,), labels(3), "no class 'c7'", "one of: c0, c1, c2"),
        (BINARY(class_weights={"c0": 2}), (3,), numbers(3), "class_weights needs a target of two", "positive_weight"),
        (BINARY(class_weights={"c2": 2}), (1,), labels(2), "no class 'c2'", "one of: c0, c1"),
        (BINARY(positive_weight=(1.0, 2.0)), (3,), numbers(3), "positive_weight has 2 entries", None),
        (BINARY(positive_weight="balanced"), (3,), numbers(3), "balanced needs a target of nothing but 0", "a number"),
        (BINARY(positive_weight={"b": 2}), (1,), labels(2), "no label 'b'", "one of: species"),
        (CROSS(class_weights="balanced"), (3,), numbers(3), "balanced needs a target of classes", "a list"),
    ],
)
def test_what_does_not_fit_is_explained(loss, shape, target, message, help):
    with pytest.raises(ShapeError) as caught:
        loss.check(shape, target)
    assert message in caught.value.message
    assert help is None or help in (caught.value.help or "")


@pytest.mark.parametrize(("shape", "target"), [((1,), numbers()), ((3,), numbers(3)), ((784,), numbers(28, 28, 1))])
def test_a_flat_output_may_stand_for_any_shape(shape, target):
    LOSSES["mse"]().check(shape, target)


def test_class_names_may_be_written_as_numbers():
    loss = CROSS.model_validate({"class_weights": {0: 2.0, "1": 3}})
    assert loss.class_weights == {"0": 2.0, "1": 3.0}
