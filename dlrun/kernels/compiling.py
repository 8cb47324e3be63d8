"""Compiles many kernels in several processes, as Numba compiles one at a time in each.

The networks of the shipped configs need some 20 kernels and 10 to 20 seconds of compilation, once for a machine. Other
processes take a part of them, one after the other, and leave the object code in the store, where this one finds it. A
process that fails, or can't write the store, costs time and nothing else: what is missing in the end is compiled here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from dlrun.kernels.lang import Kernel, Precision
from dlrun.kernels.target import available_cores

WORTH_A_PROCESS = 3
"""Kernels that make another process worth its start, about a second."""
POLL_SECONDS = 0.1


@dataclass
class Workers:
    """The kernels to be compiled, the largest first, and the other processes at work on them."""

    kernels: Sequence[Kernel]
    precision: Precision
    claims: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    finished: set[Kernel] = field(default_factory=set)

    def mine(self) -> Iterator[Kernel]:
        """Yield one kernel after the other that nobody has begun: first those that other processes can't find."""
        yield from (kernel for kernel in self.kernels if not _is_importable(kernel))
        yield from (kernel for kernel in self.kernels if _is_importable(kernel) and claim(self.claims, _name(kernel)))

    def done(self) -> int:
        """Return how many kernels are compiled by now."""
        from dlrun.kernels.store import is_stored

        left = (kernel for kernel in self.kernels if kernel not in self.finished)
        self.finished.update(kernel for kernel in left if is_stored(kernel, self.precision))
        return len(self.finished)

    def running(self) -> bool:
        """Return whether a process is still at work."""
        return any(process.poll() is None for process in self.processes)

    def wait(self) -> None:
        """Wait a moment, or until a process ends."""
        for process in self.processes:
            if process.poll() is None:
                try:
                    process.wait(POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    return


@contextmanager
def compiling(kernels: Sequence[Kernel], precision: Precision) -> Iterator[Workers]:
    """Start other processes if they are worth it, and end them in any case."""
    from dlrun.kernels.store import source_size

    workers = Workers(sorted(kernels, key=source_size, reverse=True), precision, _claims_folder())
    try:
        for _ in range(min(available_cores(), len(kernels) // WORTH_A_PROCESS) - 1):
            workers.processes.append(_start(workers))
        yield workers
    finally:
        for process in workers.processes:
            if process.poll() is None:
                process.terminate()
            process.wait()
        shutil.rmtree(workers.claims, ignore_errors=True)


def _claims_folder() -> Path:
    """Return a new folder; where none can be made, one that isn't there: nobody claims, and all is compiled last."""
    try:
        return Path(tempfile.mkdtemp(prefix="dlrun-"))
    except OSError:
        return Path("no claims")


def _start(workers: Workers) -> subprocess.Popen[bytes]:
    names = [_name(kernel) for kernel in workers.kernels if _is_importable(kernel)]
    command = [sys.executable, "-m", "dlrun.kernels.compiling", workers.precision, str(workers.claims), *names]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # A session of its own: Ctrl-C is this process's to handle.
    return subprocess.Popen(command, start_new_session=True, **quiet)  # type: ignore[call-overload, no-any-return]


def claim(claims: Path, name: str) -> bool:
    """Return whether this process is the first to ask for a kernel, and so the one that compiles it."""
    try:
        os.close(os.open(claims / name.replace(":", "."), os.O_CREAT | os.O_EXCL))
    except OSError:  # it exists, as a rule
        return False
    return True


def _name(kernel: Kernel) -> str:
    return f"{kernel.function.__module__}:{kernel.name}"


def _is_importable(kernel: Kernel) -> bool:
    """Return whether another process finds the kernel by its name; those of tests, say, it doesn't."""
    module = sys.modules.get(kernel.function.__module__)
    return kernel.function.__module__.startswith("dlrun.") and getattr(module, kernel.name, None) is kernel


def main(precision: Precision, claims: Path, names: Sequence[str]) -> None:
    """Compile kernels, "module:kernel", into the store, but for those that another process compiles."""
    from dlrun.kernels.store import compile_into_store

    for name in names:
        if claim(claims, name):
            module, _, attribute = name.partition(":")
            compile_into_store(getattr(import_module(module), attribute), precision)


if __name__ == "__main__":
    main("float64" if sys.argv[1] == "float64" else "float32", Path(sys.argv[2]), sys.argv[3:])
