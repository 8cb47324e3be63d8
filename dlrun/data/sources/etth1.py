"""etth1: an hourly series of a transformer's loads and its oil's temperature."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from dlrun.data.sources.base import Column, Description, Raw, Store
from dlrun.data.sources.csv import Csv
from dlrun.data.sources.download import RemoteFile, download
from dlrun.data.sources.files import DATASETS, file_stamp, find_folder
from dlrun.data.sources.named import NamedSource

FOLDER = "ett"
LOADS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL")


class Etth1(NamedSource):
    """17,420 hours of an electricity transformer, July 2016 to June 2018: six loads and its oil's temperature, "OT".

    H. Zhou et al., "Informer" (AAAI 2021), who train on the first 8,640 rows (12 months), validate and test on the next
    2,880 each, and leave the rest. Columns: "date", "HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT". Looked for as
    ett/ETTh1.csv, or gzipped.
    """

    type: Literal["etth1"] = "etth1"
    keeps_decoded: ClassVar[bool] = False
    remote: ClassVar[tuple[RemoteFile, ...]] = (
        RemoteFile(
            "ETTh1.csv",
            "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
            (
                "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07/"
                "ETT-small/ETTh1.csv",
            ),
        ),
    )

    def folder(self) -> Path | None:
        """The folder that holds the file, or None."""
        name = self.remote[0].name
        return find_folder(FOLDER, [name]) or find_folder(FOLDER, [f"{name}.gz"])

    def fetch(self) -> None:
        """Downloads what no folder has into `datasets/ett`; raises Unreachable."""
        if self.folder() is None:
            download(self.remote, DATASETS / FOLDER)

    def stamp(self) -> list[Any]:
        """The file's path, size and time."""
        return file_stamp([self._file()])

    def probe(self) -> Description:
        """As published."""
        columns = {"date": Column("date", "text", original="str")}
        columns |= {name: Column(name, "numbers") for name in (*LOADS, "OT")}
        return Description(columns, {"all": 17_420}, "OT")

    def outline(self) -> tuple[Mapping[str, Column | None], str | None]:
        """The columns, of which the dates are known only from the rows."""
        description = self.probe()
        return {**description.columns, "date": None}, description.target

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Reads the table."""
        return Csv(path=str(self._file())).read(store, columns)

    def _file(self) -> Path:
        path = self.found() / self.remote[0].name
        return path if path.is_file() else path.with_name(f"{path.name}.gz")
