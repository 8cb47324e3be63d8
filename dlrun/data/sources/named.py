"""Sets that are found by name: in `datasets`, on the path DLRUN_DATASETS, or by download."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from dlrun.data.sources.base import Source
from dlrun.data.sources.download import RemoteFile, download
from dlrun.data.sources.files import DATASETS, file_stamp, find_folder
from dlrun.errors import DataError


class NamedSource(Source):
    """A set with a name of its own, whose files are looked for and, where they are missing, downloaded."""

    remote: ClassVar[tuple[RemoteFile, ...]]
    keeps_decoded: ClassVar[bool] = True

    def folder(self) -> Path | None:
        """The folder that holds all files, or None."""
        return find_folder(self.type, (file.name for file in self.remote))

    def fetch(self) -> None:
        """Downloads what no folder has into `datasets/<name>`; raises Unreachable."""
        if self.folder() is None:
            download(self.remote, DATASETS / self.type)

    def found(self) -> Path:
        """The folder, after `fetch`."""
        folder = self.folder()
        if folder is None:
            raise DataError(
                f"the data set {self.type!r} is not there",
                help=f"`dlrun data fetch {self.type}` downloads it; or set DLRUN_DATASETS to a folder that holds it",
            )
        return folder

    def stamp(self) -> list[Any]:
        """The files' paths, sizes and times."""
        folder = self.found()
        return file_stamp(folder / file.name for file in self.remote)
