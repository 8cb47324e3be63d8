"""Whole networks follow PyTorch's from the same weights and batches, loss by loss."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is what training is compared with")

from dlrun.layers import LAYERS
from dlrun.losses import LOSSES
from dlrun.optimizers import OPTIMIZERS
from tests.parity.run import Run

STEPS = 50
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}


def layer(type, **fields):
    return LAYERS[type].model_validate(fields)


def images(rows, *shape, classes=10):
    """Noisy pictures of as many patterns as there are classes, and which pattern each shows."""
    generator = np.random.default_rng(0)
    patterns = generator.uniform(size=(classes, *shape))
    labels = generator.integers(0, classes, rows)
    return np.clip(patterns[labels] * 0.7 + 0.3 * generator.uniform(size=(rows, *shape)), 0, 1), labels


def mnist_mlp():
    units = [layer("dense", units=n, activation="relu") for n in (128, 64)]
    return [layer("flatten"), *units, layer("dense", units=10, activation="softmax")]


def strided_cnn():
    """Uneven windows, strides, groups and dilation, in one network."""
    return [
        layer("conv2d", filters=8, kernel_size=[4, 3], strides=2, padding="same", activation="tanh"),
        layer("conv2d", filters=12, kernel_size=3, groups=4, activation="relu"),
        layer("conv2d", filters=6, kernel_size=2, dilation_rate=2, padding="same", activation="sigmoid"),
        layer("average_pool2d", pool_size=2),
        layer("max_pool2d", pool_size=2, padding="same"),
        layer("flatten"),
        layer("dense", units=10),
    ]


def residual_cnn():
    """Blocks with a skip connection, normalised, and two ways that are joined."""
    return [
        layer("conv2d", name="stem", filters=8, kernel_size=3, padding="same"),
        layer("batch_normalization"),
        layer("relu"),
        layer("conv2d", filters=8, kernel_size=3, padding="same"),
        layer("add", name="sum", inputs=["stem", "conv2d_1"]),
        layer("global_average_pool2d", name="mean"),
        layer("flatten", name="flat", inputs=["sum"]),
        layer("concatenate", inputs=["mean", "flat"]),
        layer("dense", units=10, activation="softmax"),
    ]


def autoencoder():
    units = [layer("dense", units=n, activation="relu") for n in (128, 32, 128)]
    return [
        layer("flatten"),
        *units,
        layer("dense", units=784, activation="sigmoid"),
        layer("reshape", target_shape=[28, 28, 1]),
    ]


SGD, ADAM = OPTIMIZERS["sgd"], OPTIMIZERS["adam"]
CROSS, BINARY, MSE = (LOSSES[name] for name in ("cross_entropy", "binary_cross_entropy", "mse"))
CASES = {
    "mlp, adam": (mnist_mlp, (28, 28, 1), CROSS(), ADAM()),
    "mlp, adamw, smooth": (mnist_mlp, (28, 28, 1), CROSS(label_smoothing=0.1), OPTIMIZERS["adamw"](weight_decay=0.1)),
    "strided_cnn, nesterov": (strided_cnn, (13, 17, 4), CROSS(), SGD(learning_rate=0.1, momentum=0.9, nesterov=True)),
    "residual_cnn, adam": (residual_cnn, (8, 8, 3), CROSS(), ADAM()),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def compare(run, losses_within):
    losses, weights = run.train_torch(STEPS)
    mine = run.train(STEPS)
    assert losses[-5:].mean() < losses[:5].mean(), "the network learns"
    np.testing.assert_allclose(mine, losses, rtol=losses_within)
    return weights


@cases
@pytest.mark.parametrize("precision", TOLERANCE)
def test_fifty_steps(case, precision):
    layers, shape, loss, optimizer = case
    batch = 32 if layers is mnist_mlp else 8
    pictures, labels = images(6 * batch + batch // 4, *shape)  # seven batches, the last a small one
    run = Run(layers(), loss, optimizer, pictures, labels, 10, precision, batch)
    weights = compare(run, TOLERANCE[precision])
    if precision == "float64":
        for name, expected in weights.items():
            np.testing.assert_allclose(run.executor.array(name), expected.ravel(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("loss", [BINARY(), LOSSES["huber"](delta=0.1)], ids=lambda loss: loss.type)
def test_fifty_steps_of_an_autoencoder(loss, precision):
    pictures, _ = images(200, 28, 28, 1)
    compare(Run(autoencoder(), loss, ADAM(), pictures, pictures, 0, precision), TOLERANCE[precision])


@pytest.mark.parametrize("precision", TOLERANCE)
def test_fifty_steps_of_a_regression(precision):
    x = np.random.default_rng(0).standard_normal((100, 3))
    y = 2 * x.sum(1) + 3
    compare(Run([layer("dense", units=1)], MSE(), SGD(), x, y, 0, precision, batch=100), TOLERANCE[precision])
