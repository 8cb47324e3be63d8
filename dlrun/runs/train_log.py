"""train.log: what the run said, in plain lines with times."""

from __future__ import annotations

import re
from pathlib import Path

from dlrun.runs.files import writing
from dlrun.runs.record import now

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class TrainLog:
    """Appends lines such as `2025-03-01T10:00:00.000Z epoch 1/10 ...`; a resumed run goes on in the same file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> None:
        """Writes each line of the text with the present time (UTC); terminal colours are left out.

        Raises: RunError when the file can't be written.
        """
        stamp = now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines = _STYLE.sub("", text).rstrip().splitlines() or [""]
        content = "".join(f"{stamp} {line}".rstrip() + "\n" for line in lines)
        # No fsync: a log line is worth no wait for the disk, and the system keeps it when only the process dies.
        with writing(self.path), open(self.path, "a", encoding="utf-8", newline="\n") as file:
            file.write(content)
