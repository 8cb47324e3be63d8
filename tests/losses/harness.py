"""Runs one loss on given outputs: losses, predictions and the gradient of the mean."""

from dataclasses import dataclass

import numpy as np

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import UpdateRule
from dlrun.data.signature import Feature, Signature
from dlrun.executor.executor import Executor
from dlrun.layers import Flatten


@dataclass
class LossResult:
    losses: np.ndarray
    predictions: np.ndarray
    gradient: np.ndarray


def feature_of(targets, classes=None, counts=None):
    if classes is not None:
        return Feature("target", (), "int32", "labels", tuple(classes), class_counts=counts)
    return Feature("target", targets.shape[1:], "float64")


def run_loss(loss, outputs, targets, weights=None, classes=None, counts=None, precision="float64", threads=2):
    """A flatten layer over the outputs is an alias: the loss reads the data themselves."""
    rows, size = outputs.shape
    executor = build(loss, outputs, targets, classes, counts, precision, threads, weights is not None)
    if weights is not None:
        executor.data["data/sample_weights"][:] = weights
    assert executor.run(np.array([[rows, 0, 0, 1, 1, 0]]), np.zeros((1, 1))).finished
    losses, predictions, gradient = (executor.array(name) for name in ("losses", "predictions", "flatten_1/gradient"))
    shape, count = (rows, size), rows * size
    return LossResult(losses[:rows], predictions[:count].reshape(shape), gradient[:count].reshape(shape))


def build(loss, outputs, targets, classes, counts, precision, threads, weighted):
    signature = Signature(
        {"x": Feature("x", outputs.shape[1:], "float64")}, {"target": feature_of(targets, classes, counts)}
    )
    model = Model([Flatten()], [("model", "layers", 0)], signature, loss)
    goal = Goal(training=True, gradients=True, input_gradients=True, keep=True, collect=False, weighted=weighted)
    plan = compile_plan(model, goal, UpdateRule(), precision, len(outputs), threads, 0)
    stored = np.int32 if classes is not None else np.float64
    data = {
        "data/inputs/x": np.ascontiguousarray(outputs, np.float64),
        "data/targets/target": np.ascontiguousarray(targets, stored),
        "data/sample_weights": np.ones(len(outputs), np.float32),
        "order": np.arange(len(outputs)),
    }
    return Executor(plan, threads, data)


def run_predictions(loss, outputs, precision="float64", threads=2):
    """The predictions alone, of data without targets."""
    signature = Signature({"x": Feature("x", outputs.shape[1:], "float64")}, {})
    model = Model([Flatten()], [("model", "layers", 0)], signature, loss)
    plan = compile_plan(model, Goal(loss=False), UpdateRule(), precision, len(outputs), threads, 0)
    out = np.zeros(outputs.shape, precision)
    data = {
        "data/inputs/x": np.ascontiguousarray(outputs, np.float64),
        "order": np.arange(len(outputs)),
        "out/predictions": out,
    }
    executor = Executor(plan, threads, data)
    assert executor.run(np.array([[len(outputs), 0, 0, 0, 1, 0]]), np.zeros((1, 1))).finished
    return out
