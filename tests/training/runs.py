"""Small runs for tests: configs, trainings in this process, and what they leave."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

import numpy as np

from dlrun.config.load import load_text
from dlrun.errors import Interrupted
from dlrun.executor.executor import Executor, Outcome
from dlrun.executor.run_loop import STOPPED
from dlrun.runs.checkpoint import load_checkpoint
from dlrun.runs.metrics_csv import read_metrics
from dlrun.training import resume as resuming
from dlrun.training.events import Listener
from dlrun.training.run import continue_run, create_run, settle, train

MIXED = """
name: mixed
data: {source: digits, split: {validation: 0.2, test: 0.2}, limit: 150}
model:
  layers:
    - {type: conv2d, filters: 6, kernel_size: 3}
    - batch_normalization
    - relu
    - {type: max_pool2d, pool_size: 2}
    - flatten
    - {type: dense, units: 20, activation: relu}
    - {type: dropout, rate: 0.3}
    - {type: dense, units: 10, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.01}
metrics: [accuracy]
training: {epochs: 3, batch_size: 16, threads: 2}
"""
"""Convolution, batch statistics, pooling, dropout and Adam: 10 steps an epoch."""

LINE = """
name: line
data:
  source: {type: synthetic, generator: line, rows: 100, noise: 0.1}
  inputs: {x: {columns: [x]}}
  target: {column: y}
model: {layers: [{type: dense, units: 1}]}
loss: mse
optimizer: {type: sgd, learning_rate: 0.1}
training: {epochs: 3, batch_size: 10, threads: 1}
"""
"""One weight and one bias: 10 steps an epoch."""

TIMES = ("seconds", "samples_per_second")


class Heard(Listener):
    """Remembers what was said."""

    def __init__(self):
        self.notes, self.results = [], []

    def note(self, text):
        self.notes.append(text)

    def epoch(self, result):
        self.results.append(result)


def start(folder, text, *overrides, listener=None):
    """Train a config in a new run below `folder`; return what `train` returns."""
    loaded = settle(load_text(text, "test.yaml", overrides), folder)
    return train(loaded, create_run(loaded, ["test"], folder), listener or Heard())


def go_on(run, *overrides, listener=None):
    """Resume a run."""
    plan = resuming.prepare(run, overrides)
    return continue_run(plan.config, run, listener or Heard(), plan.restored)


@contextmanager
def interrupted_after(monkeypatch, steps):
    """Ctrl-C when so many steps of training are done."""
    original, done = Executor.run, 0

    def run(self, table, scalars, poll=None):
        nonlocal done
        left = steps - done
        if scalars.shape[1] == 1 or left >= len(table):  # evaluation, or an epoch that is left alone
            done += len(table) * (scalars.shape[1] > 1)
            return original(self, table, scalars, poll)
        if left:
            assert original(self, table[:left], scalars[:left], poll).finished
        os.kill(os.getpid(), signal.SIGINT)
        return Outcome(left, STOPPED)

    with monkeypatch.context() as patch:
        patch.setattr(Executor, "run", run)
        yield


def start_and_interrupt(monkeypatch, folder, text, steps, *overrides):
    """Train until so many steps are done, then Ctrl-C; return the run."""
    loaded = load_text(text, "test.yaml", overrides)
    run = create_run(loaded, ["test"], folder)
    interrupt(monkeypatch, steps, lambda: train(loaded, run, Heard()))
    return run


def interrupt(monkeypatch, steps, work):
    """Run `work` until so many steps more are done, then Ctrl-C."""
    with interrupted_after(monkeypatch, steps):
        try:
            work()
        except Interrupted:
            return
    raise AssertionError("the run ended before it was interrupted")


def rows_of(run):
    """The rows of metrics.csv without times."""
    return [{n: v for n, v in row.items() if n not in TIMES} for row in read_metrics(run.metrics).rows]


def content_of(path):
    """A checkpoint's tensors, and its state without times."""
    checkpoint = load_checkpoint(path)
    state = {name: value for name, value in checkpoint.metadata["state"].items() if "seconds" not in name}
    state["best_row"] = {n: v for n, v in state["best_row"].items() if n not in TIMES}
    return checkpoint.tensors, state


def assert_same_runs(one, other, checkpoints=("last", "best")):
    """Assert that two runs end with the same bits and the same metrics."""
    assert rows_of(one) == rows_of(other)
    for name in checkpoints:
        tensors, state = content_of(one.checkpoints / f"{name}.safetensors")
        others, other_state = content_of(other.checkpoints / f"{name}.safetensors")
        assert state == other_state
        assert tensors.keys() == others.keys()
        for key, tensor in tensors.items():
            np.testing.assert_array_equal(tensor, others[key], err_msg=f"{name}: {key}", strict=True)
