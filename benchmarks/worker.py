"""One contender in a process of its own: `python -m benchmarks.worker NAME JOB`.

Makes the contender, does one step, and says so in a line of JSON: {"ready": versions} or {"skip": why}. Then, for each
line of standard input, {"seconds": s} or {"steps": n}, works for about as long, or so many steps, and answers with
{"speed": samples per second, "seconds": how long it took, "peak": bytes of memory at most so far}. Ends when its input
does.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from benchmarks.contender import Contender, Job, contender_class
from benchmarks.parts import Unsupported

WARM_UP_SECONDS = 0.2
"""How long the steps of the warm-up take at least: what they took says how many a turn has."""
LEAST_STEPS = 4


def limit_cores(cores: int) -> None:
    """Keep this process on so many cores: some libraries know no other limit of their threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def open_answers() -> TextIO:
    """Return the process's output for answers alone: what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def peak_bytes() -> int:
    """Return the most memory that this process has had so far.

    Linux counts what the parent had before the process became this one into ru_maxrss, but not into VmHWM.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(contender: Contender, steps: int) -> float:
    """Return the seconds that so many steps take."""
    began = time.perf_counter()
    contender.run(steps)
    return time.perf_counter() - began


def warm_up(contender: Contender) -> float:
    """Do twice as many steps each time until they take long enough; return the seconds of one."""
    steps = LEAST_STEPS
    while (seconds := measure(contender, steps)) < WARM_UP_SECONDS:
        steps *= 2
    return seconds / steps


def serve(contender: Contender, answers: TextIO) -> None:
    """Answer requests until there are no more."""
    step = warm_up(contender)
    for line in sys.stdin:
        request = json.loads(line)
        steps = request.get("steps") or max(LEAST_STEPS, round(request["seconds"] / step))
        seconds = measure(contender, steps)
        step = seconds / steps
        answer(answers, {"speed": contender.job.batch / step, "seconds": seconds, "peak": peak_bytes()})


def answer(answers: TextIO, value: dict[str, Any]) -> None:
    """Write a line."""
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def main() -> None:
    """Run."""
    answers = open_answers()
    job = Job.parse(sys.argv[2])
    limit_cores(job.cores or job.threads)
    try:
        contender = contender_class(sys.argv[1])(job)
        contender.run(1)
    except (ImportError, Unsupported) as error:
        answer(answers, {"skip": str(error)})
        return
    except Exception as error:  # a library that fails here is left out of the table, with its reason
        answer(answers, {"skip": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"})
        raise
    answer(answers, {"ready": contender.versions()})
    serve(contender, answers)


if __name__ == "__main__":
    main()
