"""The real command line, in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from dlrun.cli.main import main

CONFIG = """
name: small
data: {source: digits, split: {validation: 0.2, test: 0.2}, limit: 150}
model:
  layers:
    - {type: conv2d, filters: 6, kernel_size: 3, activation: relu}
    - flatten
    - {type: dense, units: 10, activation: softmax}
loss: cross_entropy
optimizer: {type: adam, learning_rate: 0.01}
metrics: [accuracy]
training: {epochs: 2, batch_size: 16}
"""

LONG = """
name: long
data:
  source: {type: synthetic, generator: sine, rows: 80000}
  split: {validation: 0.1}
model: {layers: [{type: dense, units: 256, activation: tanh}, {type: dropout, rate: 0.1}, {type: dense, units: 1}]}
loss: mse
optimizer: adam
training: {epochs: 2, batch_size: 8, threads: 1}
"""
"""9,000 steps an epoch, some tenths of a second: time enough to be stopped in the middle of one."""


@dataclass
class Workplace:
    """A folder with its own runs, in which commands are run."""

    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def environment(self, **extra: str) -> dict[str, str]:
        return {**os.environ, "DLRUN_RUNS": str(self.runs), "PYTHONPATH": os.getcwd(), "COLUMNS": "100", **extra}

    def write(self, text: str, name: str = "small.yaml") -> str:
        (self.folder / name).write_text(text)
        return name

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        command = [sys.executable, "-m", "dlrun", *map(str, arguments)]
        extra = options.pop("environment", {})
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment(**extra), **options)

    def call(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess:
        """Run a command in this process: quicker, and the same but for what belongs to a process."""
        out, err, code = StringIO(), StringIO(), 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            patch.setenv("DLRUN_RUNS", str(self.runs))
            patch.setenv("COLUMNS", "100")
            patch.setattr(sys, "argv", ["dlrun", *map(str, arguments)])
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        assert code == expect, (code, out.getvalue(), err.getvalue())
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def run(self, *arguments: str, expect: int | None = 0, **options) -> subprocess.CompletedProcess:
        """Run a command in a process of its own."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=100)
        result = subprocess.CompletedProcess(arguments, process.returncode, out, err)
        assert "Traceback" not in (err or ""), err
        assert expect is None or result.returncode == expect, (result.returncode, out, err)
        return result


def wait_until(condition, seconds: float = 60) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def command_names(app):
    """The names of a Typer application's commands and groups."""
    return [entry.name for entry in (*app.registered_commands, *app.registered_groups)]
