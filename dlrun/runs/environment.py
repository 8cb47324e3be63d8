"""What a run's record says about where it ran: versions, CPU, git, process."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)


class GitState(_Part):
    """The commit that was checked out, and whether tracked files differed from it."""

    commit: str
    dirty: bool


class ProcessState(_Part):
    """A process, told from a later one that got its number by when it began (kernel ticks; None where not known)."""

    pid: int
    host: str
    began: int | None = None

    def is_dead(self) -> bool:
        """Whether the process is surely gone; a process of another machine, or one that can't be asked about, isn't."""
        if self.host != socket.gethostname() or os.name == "nt":  # on Windows os.kill(pid, 0) is no question
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            return False
        began, state = _process_stat(self.pid)
        return state == "Z" or (None not in (began, self.began) and began != self.began)


def this_process() -> ProcessState:
    """The process that asks."""
    return ProcessState(pid=os.getpid(), host=socket.gethostname(), began=_process_stat(os.getpid())[0])


@cache
def versions() -> Mapping[str, str]:
    """Versions of dlrun, Python and the packages that decide about results; nothing is imported."""
    found = {"python": platform.python_version()}
    for package in ("dlrun", "numpy", "numba", "llvmlite"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "dlrun" not in found:  # run from a checkout that isn't installed
        import dlrun

        found["dlrun"] = dlrun.__version__
    return MappingProxyType(found)


def cpu_name() -> str:
    """The CPU as its maker calls it, or the architecture where the system doesn't tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass
    if platform.system() == "Darwin":
        name = _output(["sysctl", "-n", "machdep.cpu.brand_string"])
        if name:
            return name
    return platform.processor() or platform.machine()


def git_state(folder: Path) -> GitState | None:
    """The git state of a folder; None outside git, before the first commit, or without git."""
    commit = _output(["git", "-C", str(folder), "rev-parse", "--verify", "HEAD"])
    status = _output(["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"])
    if commit is None or status is None:
        return None
    return GitState(commit=commit, dirty=bool(status))


def _output(command: list[str]) -> str | None:
    """What a command prints; None when it is missing, fails or takes over five seconds."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # looking must not lock the user's index
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, env=environment, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()


def _process_stat(pid: int) -> tuple[int | None, str | None]:
    """When a process began (ticks since the machine's start) and its state letter, on Linux (man 5 proc)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(fields[19]), fields[0]
    except (OSError, ValueError, IndexError):
        return None, None
