"""Small sweeps for tests, and what they leave."""

from __future__ import annotations

from dlrun.sweep.folder import SweepFolder
from dlrun.sweep.study import Study

LINE = """
name: line
data:
  source: {type: synthetic, generator: line, rows: 200, noise: 0.1}
  split: {validation: 0.2}
model: {layers: [{type: dense, units: 4, activation: tanh}, {type: dense, units: 1}]}
loss: mse
optimizer: {type: sgd, learning_rate: 0.1}
training: {epochs: 3, batch_size: 10, threads: 1}
"""
"""16 steps an epoch: milliseconds."""

SLOW = """
name: slow
data:
  source: {type: synthetic, generator: sine, rows: 200000}
  split: {validation: 0.1}
model: {layers: [{type: dense, units: 128, activation: tanh}, {type: dropout, rate: 0.1}, {type: dense, units: 1}]}
loss: mse
optimizer: {type: adam, learning_rate: 0.001}
training: {epochs: 2, batch_size: 8, threads: 1}
"""
"""22,500 steps an epoch, a tenth of a second: time enough to be killed in the middle of one."""

GRID = ("optimizer.learning_rate=1e-4,3e-4,1e-3,3e-3", "model.layers[0].units=64,128")
"""Eight combinations."""


def folder_of(place, name="line-1"):
    return SweepFolder(place.folder / "sweeps" / name)


def study_of(folder):
    return Study(folder, folder.sweep())


def states(folder):
    """How often each state stands in the journal."""
    names = [trial.state.name for trial in study_of(folder).trials()]
    return {name: names.count(name) for name in dict.fromkeys(names)}
