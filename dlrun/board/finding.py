"""Finds runs, sweeps and cross-validations below some folders, and lists only the folders that changed since."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dlrun.runs.folds import FILE as FOLDS_FILE

Kind = Literal["run", "sweep", "folds"]

RUN_MARKS = frozenset({"run.json", "config.resolved.yaml", "checkpoints"})
SWEEP_MARK = "sweep.json"
PASSED_OVER = frozenset({"checkpoints", "plots", "__pycache__", "node_modules"})
"""Folders that hold no runs, beside those whose names begin with a dot."""
DEEPEST = 8
MOST_FOLDERS = 50_000
"""Folders that are looked into; `dlrun board /` must not walk a whole disk at every look."""
SETTLED = 2.0
"""Seconds after which a folder's time of change tells every later change: clocks of file systems are coarse."""


@dataclass(frozen=True)
class Found:
    """A run, or a group of runs. `id` is its path below the board's folders, and `group` the id of its group."""

    id: str
    kind: Kind
    path: Path
    group: str | None = None


@dataclass(frozen=True)
class _Listing:
    changed: int
    settled: bool
    kind: Kind | None
    goes_on: bool
    folders: tuple[str, ...]


class Finder:
    """Looks through folders again and again."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = dict(zip(_labels(roots), roots, strict=True))
        self._listings: dict[Path, _Listing] = {}

    def find(self) -> dict[str, Found]:
        """Every run and group by its id; what can't be read, or went away meanwhile, is left out."""
        self._left = MOST_FOLDERS
        seen: dict[Path, _Listing] = {}
        found = {
            each.id: each for label, root in self.roots.items() for each in self._below(root, label, None, 0, seen)
        }
        self._listings = seen
        return found

    def _below(
        self, path: Path, name: str, group: str | None, depth: int, seen: dict[Path, _Listing]
    ) -> Iterator[Found]:
        self._left -= 1
        listing = self._listing(path) if self._left > 0 else None
        if listing is None:
            return
        seen[path] = listing
        if listing.kind:
            yield Found(name, listing.kind, path, group)
            group = name if listing.kind != "run" else group
        if depth < DEEPEST and listing.goes_on:
            for folder in listing.folders:
                yield from self._below(path / folder, f"{name}/{_shown(folder)}", group, depth + 1, seen)

    def _listing(self, path: Path) -> _Listing | None:
        known = self._listings.get(path)
        try:
            changed = path.stat().st_mtime_ns
            if known is not None and known.changed == changed and known.settled:
                return known
            with os.scandir(path) as entries:
                all_entries = list(entries)
        except OSError:
            return None
        names = {entry.name for entry in all_entries}
        folders = sorted(entry.name for entry in all_entries if _may_hold_runs(entry))
        settled = time.time() - changed / 1e9 > SETTLED
        return _Listing(changed, settled, _kind(names), "run.json" not in names, tuple(folders))


def _kind(names: set[str]) -> Kind | None:
    if SWEEP_MARK in names:
        return "sweep"
    if FOLDS_FILE in names:
        return "folds"
    return "run" if names & RUN_MARKS else None


def _may_hold_runs(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in PASSED_OVER:
        return False
    try:
        # A link is followed to a run, and no further: links may lead in circles.
        return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.exists(f"{entry.path}/run.json"))
    except OSError:
        return False


def _labels(roots: Sequence[Path]) -> list[str]:
    """The folders' names, numbered where two have the same."""
    labels: list[str] = []
    for root in roots:
        name = _shown(root.resolve().name) or "runs"
        taken = labels.count(name)
        while name in labels:
            taken += 1
            name = f"{_shown(root.resolve().name)}-{taken}"
        labels.append(name)
    return labels


def _shown(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 are spelled out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
