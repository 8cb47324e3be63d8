"""Compiles many kernels in several processes, as Numba compiles one at a time in each.

The networks of the shipped configs need some 20 kernels and 10 to 20 seconds of compilation, once for a machine. Other
processes take a part of them and leave the object code in the store, where this one finds it. A process that fails,
or can't write the store, costs time and nothing else: what is missing in the end is compiled here.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module

from dlrun.kernels.lang import Kernel, Precision
from dlrun.kernels.target import available_cores

WORTH_A_PROCESS = 3
"""Kernels that make another process worth its start, about a second."""
POLL_SECONDS = 0.1


@dataclass
class Workers:
    """The processes at work, the kernels this one compiles itself, and those of the others."""

    precision: Precision
    own: Sequence[Kernel]
    others: Sequence[Kernel]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def done(self) -> int:
        """Return how many kernels are compiled by now."""
        from dlrun.kernels.store import is_stored

        return sum(is_stored(kernel, self.precision) for kernel in (*self.own, *self.others))

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
    """Start the processes that compile a share of the kernels, and end them in any case."""
    shares = _shares(kernels)
    workers = Workers(precision, shares[0], [kernel for share in shares[1:] for kernel in share])
    try:
        for share in shares[1:]:
            names = [f"{kernel.function.__module__}:{kernel.name}" for kernel in share]
            command = [sys.executable, "-m", "dlrun.kernels.compiling", precision, *names]
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            # A session of its own: Ctrl-C is this process's to handle.
            workers.processes.append(subprocess.Popen(command, start_new_session=True, **quiet))  # type: ignore[call-overload]
        yield workers
    finally:
        for process in workers.processes:
            if process.poll() is None:
                process.terminate()
            process.wait()


def _shares(kernels: Sequence[Kernel]) -> list[list[Kernel]]:
    """Return each process's kernels, this one's first: the largest first, each to where least is to be done."""
    from dlrun.kernels.store import source_size

    count = max(1, min(available_cores(), len(kernels) // WORTH_A_PROCESS))
    shares: list[list[Kernel]] = [[] for _ in range(count)]
    loads = [0] * count
    sizes = {kernel: source_size(kernel) for kernel in kernels}
    for kernel in sorted(kernels, key=lambda each: sizes[each], reverse=True):
        place = loads.index(min(loads)) if _is_importable(kernel) else 0
        shares[place].append(kernel)
        loads[place] += sizes[kernel]
    return shares


def _is_importable(kernel: Kernel) -> bool:
    """Return whether another process finds the kernel by its name; those of tests, say, it doesn't."""
    module = sys.modules.get(kernel.function.__module__)
    return kernel.function.__module__.startswith("dlrun.") and getattr(module, kernel.name, None) is kernel


def main(precision: Precision, names: Sequence[str]) -> None:
    """Compile the kernels of these names, "module:kernel", into the store."""
    from dlrun.kernels.store import compile_into_store

    for name in names:
        module, _, attribute = name.partition(":")
        compile_into_store(getattr(import_module(module), attribute), precision)


if __name__ == "__main__":
    main("float64" if sys.argv[1] == "float64" else "float32", sys.argv[2:])
