"""Peak memory of whole commands that train the MNIST CNN on all of MNIST: dlrun's, and a plain script of PyTorch."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import Memory
from benchmarks.measure import Say
from benchmarks.processes import ROOT, environment
from benchmarks.suite import CASES
from dlrun.data.sources.mnist import Mnist
from dlrun.errors import DataError

EPOCHS = 1


def measure_memory(threads: int, say: Say) -> Memory:
    """Train for an epoch with each; return the peaks. Raises DataError where MNIST isn't there whole."""
    folder = Mnist().folder()
    if folder is None:
        raise DataError("MNIST is not on this machine", "dlrun data fetch mnist gets it")
    with tempfile.TemporaryDirectory() as runs:
        config = CASES["mnist_cnn"].config
        options = [f"training.epochs={EPOCHS}", f"training.threads={threads}"]
        train = ["-m", "dlrun", "train", config, *options, "--runs", runs]
        peaks = {}
        say("  dlrun train, once to have its kernels and data ready")
        peak_of([sys.executable, *train, "training.max_steps=1"], threads)
        say("  dlrun train")
        peaks["dlrun"] = peak_of([sys.executable, *train], threads)
        script = ["-m", "benchmarks.plain_pytorch", str(folder), str(EPOCHS), str(threads)]
        say("  PyTorch's script")
        peaks["pytorch"] = peak_of([sys.executable, *script], threads)
    return Memory(
        {
            "dlrun": shlex.join(["dlrun", "train", config, *options]),
            "pytorch": shlex.join(["python", "-m", "benchmarks.plain_pytorch", "MNIST", str(EPOCHS), str(threads)]),
        },
        peaks,
    )


def peak_of(command: Sequence[str], threads: int, extra: Mapping[str, str] | None = None) -> int:
    """Return the most memory (bytes) that a command's process has had. Raises RuntimeError if it fails.

    Read from /proc (VmHWM, which only grows) until it ends; where there is none, from what the system says of all
    children so far.
    """
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, env=environment(threads, extra)
    ) as process:
        peak, status = 0, Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            peak = max(peak, _high_water(status))
            time.sleep(0.01)
    if process.returncode:
        raise RuntimeError(f"{shlex.join(command)} ended with code {process.returncode}")
    return peak or _of_children()


def _high_water(status: Path) -> int:
    try:
        lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    except OSError:
        return 0
    return 1024 * int(lines[0].split()[1]) if lines else 0


def _of_children() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if os.uname().sysname == "Darwin" else 1024)
