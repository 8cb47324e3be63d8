"""Where data files are looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dlrun.errors import DataError

DATASETS = Path("datasets")
"""The folder, beside the configs, in which named data sets lie and into which they are downloaded."""


def search_path() -> list[Path]:
    """`datasets`, then the folders of the environment variable DLRUN_DATASETS."""
    listed = os.environ.get("DLRUN_DATASETS", "").split(os.pathsep)
    return [DATASETS, *(Path(entry) for entry in listed if entry)]


def find_folder(name: str, files: Iterable[str]) -> Path | None:
    """The first folder `<entry>/<name>` of the search path that holds all these files, or None."""
    wanted = tuple(files)
    for entry in search_path():
        folder = entry / name
        if all((folder / file).is_file() for file in wanted):
            return folder
    return None


def find_path(path: str) -> Path:
    """A file or folder that a config names; raises DataError, saying where it was looked for.

    A relative path is taken from the working folder and then, without a leading "datasets/", from the folders of
    DLRUN_DATASETS.
    """
    places = [Path(path).expanduser()]
    if not places[0].is_absolute():
        parts = places[0].parts
        below = Path(*parts[1:]) if parts[:1] == (DATASETS.name,) and len(parts) > 1 else places[0]
        places += [entry / below for entry in search_path()[1:]]
    for place in places:
        if place.exists():
            return place
    looked = ", ".join(str(place) for place in places)
    raise DataError(
        f"there is no {path}", help=f"looked for {looked}; a relative path starts at the working folder {Path.cwd()}"
    )


def file_stamp(paths: Iterable[Path]) -> list[Any]:
    """[path, size, time of the last change] of each file, which together stand for their contents."""
    stamp: list[Any] = []
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"can't read {path}: {error.strerror}") from None
        stamp.append([str(path.resolve()), status.st_size, status.st_mtime_ns])
    return stamp
