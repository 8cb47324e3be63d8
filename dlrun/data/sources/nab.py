"""nab: series of the Numenta Anomaly Benchmark, with labelled windows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from dlrun.data.sources.base import Column, Description, Raw, Store
from dlrun.data.sources.csv import Csv
from dlrun.data.sources.download import RemoteFile, download
from dlrun.data.sources.files import DATASETS, file_stamp, find_folder, find_path
from dlrun.data.sources.named import NamedSource
from dlrun.errors import DataError

ADDRESS = "https://raw.githubusercontent.com/numenta/NAB/ea702d75cc2258d9d7dd35ca8e5e2539d71f3140"
LABELS = "labels/combined_windows.json"
TAXI, MACHINE = "realKnownCause/nyc_taxi.csv", "realKnownCause/machine_temperature_system_failure.csv"


def _remote(folder: str, name: str, sha256: str) -> RemoteFile:
    return RemoteFile(name, sha256, (f"{ADDRESS}/{folder}{name}",))


class Nab(NamedSource):
    """A series of the Numenta Anomaly Benchmark: numbers over time, and windows of time that hold an anomaly.

    A. Lavin, S. Ahmad, "Evaluating real-time anomaly detection algorithms" (ICMLA 2015). Columns: "timestamp" and
    "value". The labelled windows measure `dlrun detect` and are no column. Fetched are the taxi passengers of New York
    and the temperature of a machine; files of a whole copy of the benchmark's data do as well.
    """

    type: Literal["nab"] = "nab"
    path: str = TAXI
    """The file, below the folder nab: realKnownCause/nyc_taxi.csv has passengers by half-hours, July 2014 to January
    2015, realKnownCause/machine_temperature_system_failure.csv a temperature every 5 minutes."""
    keeps_decoded: ClassVar[bool] = False
    remote: ClassVar[tuple[RemoteFile, ...]] = (
        _remote("data/", TAXI, "d8fa6f7f0734bf5c8be12c52a94e20a82664c397d9dec4449156bd453d32856d"),
        _remote("data/", MACHINE, "92bf5b87fc7f9bba8ca0b7ec63ccaac8cb4a1371a258e8c29a10ae9c018d82a4"),
        _remote("", LABELS, "1e1fbc4601321aad8d0f8b3784c8134299379f68f6c1f7777565f8ffd57ab6b1"),
    )

    def folder(self) -> Path | None:
        """The folder that holds the file and the labels, or None."""
        return find_folder(self.type, (self.path, LABELS))

    def fetch(self) -> None:
        """Downloads what no folder has into `datasets/nab`; raises Unreachable."""
        known = [file for file in self.remote if file.name in (self.path, LABELS)]
        if self.folder() is None and len(known) == 2:
            for file in known:
                place = DATASETS / self.type / file.name
                if not place.is_file():
                    download([RemoteFile(place.name, file.sha256, file.urls)], place.parent)

    def stamp(self) -> list[Any]:
        """The file's path, size and time."""
        return file_stamp([self._file()])

    def probe(self) -> Description:
        """As published."""
        columns = {"timestamp": Column("timestamp", "text", original="str"), "value": Column("value", "numbers")}
        rows = {TAXI: 10_320, MACHINE: 22_695}.get(self.path)
        return Description(columns, {} if rows is None else {"all": rows}, "value")

    def outline(self) -> tuple[Mapping[str, Column | None], str | None]:
        """The columns, of which the dates are known only from the rows."""
        description = self.probe()
        return {**description.columns, "timestamp": None}, description.target

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Reads the table."""
        return Csv(path=str(self._file())).read(store, columns)

    def anomalies(self) -> tuple[tuple[str, str], ...] | None:
        """The benchmark's combined windows of the file; None for another file."""
        folder = self.folder()
        if folder is None:
            return None
        path = folder / LABELS
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
            mine = [key for key in listed if f"/{Path(self.path).as_posix()}".endswith(f"/{key}")]
            return tuple((str(start), str(end)) for start, end in listed[mine[0]]) if mine else None
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"can't read the labels {path}: {error}", help="replace it by a whole copy") from None

    def _file(self) -> Path:
        folder = self.folder()
        if folder is not None:
            return folder / self.path
        return self.found() / self.path if self.path in (TAXI, MACHINE) else find_path(self.path)
