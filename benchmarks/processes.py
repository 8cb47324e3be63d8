"""Workers seen from outside: started, asked, timed from their start to their first step."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.contender import Job

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
ROOT = Path(__file__).parents[1]


def environment(threads: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process that may use so many threads."""
    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | dict(extra or {})


class ContenderFailed(Exception):
    """A contender's process ended in the middle of its work."""


class Worker:
    """A contender's process. Making one waits for its first step."""

    def __init__(self, name: str, job: Job, extra: Mapping[str, str] | None = None) -> None:
        self.name = name
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name, job.text()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            cwd=ROOT, env=environment(job.threads, extra),
        )  # fmt: skip
        first = self._read()
        self.start_seconds = time.perf_counter() - began
        self.versions: str | None = first.get("ready")
        self.skipped: str | None = first.get("skip")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=20)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def ask(self, **request: float) -> None:
        """Have it work for so many `seconds`, or `steps`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for what it measured: samples per second, seconds, and the peak of its memory in bytes.

        Raises ContenderFailed if it ended instead.
        """
        found = self._read()
        if "skip" in found:
            raise ContenderFailed(found["skip"])
        return found

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            return {"skip": f"its process ended with code {self._process.wait()}"}
        found: dict[str, Any] = json.loads(line)
        return found


def seconds_to_line(command: Sequence[str], start: str, extra: Mapping[str, str]) -> float:
    """Return the seconds until a command prints a line that starts so; wait for its end. Raises RuntimeError."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=os.environ | dict(extra)
    ) as process:
        assert process.stdout is not None
        seconds = None
        for line in process.stdout:
            if line.startswith(start) and seconds is None:
                seconds = time.perf_counter() - began
    if seconds is None or process.returncode:
        raise RuntimeError(f"{shlex.join(command)} ended with code {process.returncode}")
    return seconds
