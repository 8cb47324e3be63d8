"""A process that works on a sweep's trials, one after the other, until nothing is left.

`python -m dlrun.sweep.worker FOLDER BUDGET` is what `--jobs` starts several of. It tells its events on standard output.
The end of the command that started it interrupts it, whether it sees it by the end of its standard input or by nobody
reading what it tells: its trial is left for whoever comes next.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from dlrun.errors import Interrupted
from dlrun.sweep.folder import SweepFolder
from dlrun.sweep.study import Study
from dlrun.sweep.watching import Teller, Watcher

SECONDS_BETWEEN_LOOKS = 0.3
"""How long a process waits before it looks again whether others have left something."""
INTERRUPTED = 130


def work(study: Study, budget: int, command: Sequence[str], watcher: Watcher) -> None:
    """Work until every trial of the budget is done, by whoever. Raises: Interrupted, KeyboardInterrupt."""
    from dlrun.sweep.trial import work_on

    is_waiting = False
    while (claim := study.claim(budget)) != "done":
        if isinstance(claim, str):
            if not is_waiting:
                watcher.waiting()
            is_waiting = True
            time.sleep(SECONDS_BETWEEN_LOOKS)
            continue
        is_waiting = False
        work_on(study, claim, command, watcher)


def main(folder: SweepFolder, budget: int) -> int:
    """Work on a sweep for another process; return the exit code."""
    output = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed goes where errors go
    for number in (signal.SIGINT, signal.SIGTERM):  # a command in the background may have them ignored
        signal.signal(number, signal.default_int_handler)
    threading.Thread(target=_follow, args=(os.getpid(),), daemon=True).start()
    try:
        work(Study(folder, folder.sweep()), budget, folder.read()["command"], Teller(_to(output)))
    except (Interrupted, KeyboardInterrupt):
        return INTERRUPTED
    return 0


def _to(output: TextIO) -> Callable[[str], None]:
    """Return a function that writes; where nobody reads any more it raises KeyboardInterrupt."""

    def write(text: str) -> None:
        try:
            output.write(text)
        except BrokenPipeError:
            raise KeyboardInterrupt from None

    return write


def _follow(process: int) -> None:
    """Interrupt this process when its standard input ends."""
    while os.read(0, 1 << 10):
        pass
    os.kill(process, signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(SweepFolder(Path(sys.argv[1])), int(sys.argv[2])))
