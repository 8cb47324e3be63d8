"""movielens_100k: what people thought of films."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from dlrun.data.sources.base import Column, Description, Raw, Store
from dlrun.data.sources.csv import Csv
from dlrun.data.sources.download import RemoteFile, download
from dlrun.data.sources.files import DATASETS, file_stamp, search_path
from dlrun.data.sources.named import NamedSource
from dlrun.data.sources.table import frame_columns, polars

ADDRESS = "https://files.grouplens.org/datasets/movielens/ml-100k"
NAMES = ("user", "item", "rating", "timestamp")
WHOLE = RemoteFile("u.data", "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490", (f"{ADDRESS}/u.data",))
U1 = (
    RemoteFile("u1.base", "ce253ec86c448b44fb3ba9a30d12dcfc2e9210cbde71efada3730c22e9ac212a", (f"{ADDRESS}/u1.base",)),
    RemoteFile("u1.test", "18c6014a4b2c7324f250a63f8904a7b16b2b19f911129e346141507b0cbac950", (f"{ADDRESS}/u1.test",)),
)


class Movielens100k(NamedSource):
    """100,000 ratings, 1 to 5, that 943 people gave 1,682 films in 1997 and 1998.

    F. M. Harper, J. A. Konstan, "The MovieLens Datasets" (ACM TiiS 5, 2015); for research, not to be handed on.
    Columns: "user" and "item", which are text, "rating", "timestamp", in seconds. The files may be gzipped.
    """

    type: Literal["movielens_100k"] = "movielens_100k"
    parts: Literal["whole", "u1"] = "whole"
    """The rows as one whole, or as the published split "u1": 80,000 to train on and 20,000 to test with."""
    keeps_decoded: ClassVar[bool] = False
    remote: ClassVar[tuple[RemoteFile, ...]] = (WHOLE, *U1)

    def folder(self) -> Path | None:
        """The folder that holds the files of these parts, each as it is or gzipped, or None."""
        folders = [entry / self.type for entry in search_path()]
        return next((folder for folder in folders if all(_place(folder, file) for file in self._files)), None)

    def fetch(self) -> None:
        """Downloads what no folder has into `datasets/movielens_100k`; raises Unreachable."""
        if self.folder() is None:
            download(self._files, DATASETS / self.type)

    def stamp(self) -> list[Any]:
        """The files' paths, sizes and times."""
        return file_stamp(self._places())

    def probe(self) -> Description:
        """As published."""
        columns = {name: Column(name, "text", original="str") for name in NAMES[:2]}
        columns |= {name: Column(name, "numbers") for name in NAMES[2:]}
        rows = {"all": 100_000} if self.parts == "whole" else {"train": 80_000, "test": 20_000}
        return Description(columns, rows, "rating")

    def outline(self) -> tuple[Mapping[str, Column | None], str | None]:
        """The columns, of which the ids are known only from the rows."""
        description = self.probe()
        return {**description.columns, "user": None, "item": None}, description.target

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Reads the files; raises DataError naming the one that can't be."""
        pl = polars("reading MovieLens")
        wanted = [name for name in NAMES if columns is None or name in columns]
        places = self._places()
        frames = [_table(place).frame(wanted) for place in places]
        types = {name: pl.String if name in NAMES[:2] else pl.Float64 for name in wanted}
        raw = frame_columns(pl.concat([frame.cast(types) for frame in frames]), store, places[0].parent)
        splits = ("all",) if len(frames) == 1 else ("train", "test")
        rows = {split: frame.height for split, frame in zip(splits, frames, strict=True)}
        return replace(raw, description=replace(raw.description, rows=rows, target="rating"))

    @property
    def _files(self) -> tuple[RemoteFile, ...]:
        return (WHOLE,) if self.parts == "whole" else U1

    def _places(self) -> list[Path]:
        folder = self.found()
        return [place for file in self._files if (place := _place(folder, file)) is not None]


def _table(path: Path) -> Csv:
    return Csv(path=str(path), delimiter="\t", header=False, names=NAMES)


def _place(folder: Path, file: RemoteFile) -> Path | None:
    """Where a file is, as it is or gzipped; None where it isn't."""
    places = (folder / file.name, folder / f"{file.name}.gz")
    return next((place for place in places if place.is_file()), None)
