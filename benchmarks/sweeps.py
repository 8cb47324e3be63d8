"""Trials an hour of whole searches: `dlrun sweep`, and a script of PyTorch and Optuna that trains the same networks.

And what a trial costs dlrun in a sweep over a layer's widths, beside one over as many learning rates.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Search, Sweeps
from benchmarks.measure import PAUSE, Say
from benchmarks.processes import ROOT, environment
from dlrun.data.load import load
from dlrun.sweep.definition import Sweep, read_sweep

CONFIG = "benchmarks/configs/sweep.yaml"
WIDTHS, RATES = "widths of a layer", "learning rates"
ALIKE = {
    WIDTHS: "model.layers[0].filters=8,16,24,32,40,48,56",
    RATES: "optimizer.learning_rate=3e-4,5e-4,7e-4,1e-3,1.5e-3,2e-3,3e-3",
}
"""Seven trials each; the widths' mean is the config's 32, and so the operations of both sweeps are the same.

Widths that leave vectors partly empty cost more than their operations: 20, 24, 28, 31, 33, 36, 40 and 44 took 1.13
times as long as eight learning rates.
"""


def measure_sweeps(rounds: int, cores: int, say: Say) -> Sweeps:
    """Search in turns: in the first round with all ways to use the cores, then with each contender's faster one.

    Raises RuntimeError where a command fails; DataError.
    """
    sweep = read_sweep(ROOT / CONFIG, (), {})
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        train, held = write_rows(sweep, folder / "rows.npz")
        say("  once, to have kernels and data ready")
        dlrun_sweep(folder, 1, cores, ("data.limit=300", "training.epochs=1"), CONFIG)
        found = [Search("dlrun", jobs, cores // jobs) for jobs in dict.fromkeys((1, cores))]
        found += [Search("pytorch", jobs, cores // jobs) for jobs in dict.fromkeys((1, cores))]
        alike: dict[str, list[float]] = {kind: [] for kind in ALIKE}
        for number in range(rounds):
            say(f"  round {number + 1} of {rounds}")
            for search in found if number == 0 else _faster(found):
                time.sleep(PAUSE)
                say(f"    {search.contender}, {search.jobs} at once")
                _add(search, *_searched(search, folder, sweep))
            for kind, values in ALIKE.items():
                time.sleep(PAUSE)
                say(f"    {kind}")
                plain = (values, "training.batch_size=64", "training.epochs=1", "schedule=constant", "data.limit=12000")
                seconds, trials = dlrun_sweep(folder, 1, cores, plain, "configs/mnist_cnn.yaml")
                alike[kind].append(seconds / len(trials))
    return Sweeps(CONFIG, sweep.trials, _epochs(sweep), train, held, found, alike)


def _faster(searches: Sequence[Search]) -> Iterator[Search]:
    for name in dict.fromkeys(search.contender for search in searches):
        yield max((each for each in searches if each.contender == name), key=lambda each: each.trials_an_hour)


def _add(search: Search, seconds: float, trials: Sequence[Mapping[str, Any]]) -> None:
    search.seconds.append(seconds / len(trials))
    search.values = {json.dumps(trial["parameters"]): float(trial["value"]) for trial in trials}


def _searched(search: Search, folder: Path, sweep: Sweep) -> tuple[float, list[dict[str, Any]]]:
    if search.contender == "dlrun":
        return dlrun_sweep(folder, search.jobs, search.jobs * search.threads, (), CONFIG)
    return plain_sweep(folder, search.jobs, search.threads, sweep.trials, _epochs(sweep))


def _epochs(sweep: Sweep) -> int:
    epochs = sweep.config_of(next(sweep.combinations())).config.training.epochs
    assert isinstance(epochs, int)
    return epochs


def write_rows(sweep: Sweep, path: Path) -> tuple[int, int]:
    """Write the very rows that dlrun trains on and validates with; return how many these are. Raises DataError."""
    config = sweep.config_of(next(sweep.combinations())).config
    dataset = load(config.data, config.seed)
    (feature,) = dataset.signature.inputs
    (target,) = dataset.signature.targets
    train, held = dataset.splits["train"], dataset.splits["validation"]
    images = np.concatenate([train.inputs[feature], held.inputs[feature]])[..., 0]
    labels = np.concatenate([train.targets[target], held.targets[target]])
    np.savez(path, images=images, labels=labels, held=held.rows)
    return train.rows, held.rows


def dlrun_sweep(
    folder: Path, jobs: int, cores: int, values: Sequence[str], config: str
) -> tuple[float, list[dict[str, Any]]]:
    """Run `dlrun sweep` in a new folder; return its seconds and its finished trials."""
    with tempfile.TemporaryDirectory(dir=folder) as sweeps:
        command = [sys.executable, "-m", "dlrun", "sweep", config, *values, "--jobs", str(jobs), "--json"]
        (output,), seconds = run_all([[*command, "--sweeps", sweeps]], cores)
    trials = json.loads(output)["trials"]
    return seconds, [trial for trial in trials if trial["state"] == "finished"]


def plain_sweep(folder: Path, jobs: int, threads: int, trials: int, epochs: int) -> tuple[float, list[dict[str, Any]]]:
    """Run PyTorch's script in several processes; return the seconds and the trials."""
    store = folder / "journal"
    store.unlink(missing_ok=True)
    arguments = [folder / "rows.npz", trials, epochs, threads, "-" if jobs == 1 else store]
    command = [sys.executable, "-m", "benchmarks.plain_sweep", *map(str, arguments)]
    outputs, seconds = run_all([command] * jobs, threads)
    found: list[dict[str, Any]] = max((json.loads(output) for output in outputs), key=len)
    names = {"filters": "model.layers[0].filters", "units": "model.layers[3].units"}
    names |= {"learning_rate": "optimizer.learning_rate", "batch_size": "training.batch_size"}
    for trial in found:
        trial["parameters"] = {names[name]: value for name, value in trial["parameters"].items()}
    return seconds, found


def run_all(commands: Sequence[Sequence[str]], threads: int) -> tuple[list[str], float]:
    """Run commands at once; return what each printed, and the seconds until all were done. Raises RuntimeError."""
    variables = environment(threads) | {"DLRUN_CORES": str(min(threads, os.cpu_count() or 1))}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # from the second command on Python has bytecode, as a user's has
    began = time.perf_counter()
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=variables
                )
            )
            for command in commands
        ]
        outputs = [process.communicate() for process in running]
    seconds = time.perf_counter() - began
    for command, process, (_, errors) in zip(commands, running, outputs, strict=True):
        if process.returncode:
            raise RuntimeError(f"{shlex.join(command)} ended with code {process.returncode}: {errors[-500:]}")
    return [output for output, _ in outputs], seconds
