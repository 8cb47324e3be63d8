"""The list behind the board: rows that know when they changed, so that a browser asks only for what is new."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlrun.board.finding import Finder, Found
from dlrun.board.reading import Facts, Stamp, is_new, read_facts, read_plain, stamp_of, value_at
from dlrun.board.rows import Row, folds_row, run_row, sweep_row
from dlrun.runs.directory import RunDirectory
from dlrun.sweep.folder import SweepFolder

LEAST_PAUSE = 0.4
"""Seconds between two looks at the files, however many pages ask."""


class RunList:
    """The runs below some folders; safe for many threads."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.finder = Finder(roots)
        self.session = uuid.uuid4().hex
        """Tells the versions of this list from those of one that was served here before."""
        self._lock = threading.Lock()
        self._looked = -LEAST_PAUSE
        self._version = 0
        self._found: dict[str, Found] = {}
        self._facts: dict[str, Facts] = {}
        self._sweeps: dict[str, tuple[Stamp, Mapping[str, Any]]] = {}
        self._made: dict[str, tuple[tuple[Facts, str | None, str | None, tuple[str, ...]], Row]] = {}
        self._rows: dict[str, Row] = {}
        self._changed: dict[str, int] = {}

    def find(self, name: str) -> Found | None:
        """What has this id; the only way from an address to a file. A run that began just now is found too."""
        with self._lock:
            if name not in self._found:
                self._look()
            return self._found.get(name)

    def changes(self, session: str | None = None, since: int = 0) -> dict[str, Any]:
        """The rows that changed after a version of this list, and the ids of those that are gone; JSON-able."""
        with self._lock:
            self._look()
            if session != self.session:
                since = 0
            news = [name for name, version in self._changed.items() if version > since]
            return {
                "session": self.session, "version": self._version, "now": time.time(), "whole": since == 0,
                "rows": [self._rows[name] for name in news if name in self._rows],
                "removed": [name for name in news if name not in self._rows],
            }  # fmt: skip

    def label(self, name: str) -> str:
        """What a run is called: a trial by the values that tell it from the others of its sweep."""
        with self._lock:
            row = self._rows.get(name)
            return name if row is None or row["label"] == row["name"] else f"{row['group']}: {row['label']}"

    def _look(self) -> None:
        """Bring the rows up to date, unless that was done a moment ago."""
        if time.monotonic() - self._looked < LEAST_PAUSE:
            return
        self._found = self.finder.find()
        self._read_files()
        rows = self._make_rows()
        differing = [name for name in {*rows, *self._rows} if rows.get(name) != self._rows.get(name)]
        if differing:
            self._version += 1
            self._changed |= dict.fromkeys(differing, self._version)
        self._rows = rows
        self._made = {name: made for name, made in self._made.items() if name in rows}
        self._looked = time.monotonic()

    def _read_files(self) -> None:
        facts, sweeps = {}, {}
        for name, found in self._found.items():
            if found.kind == "run":
                read = read_facts(RunDirectory(found.path), self._facts.get(name))
                if read is not None:
                    facts[name] = read
            elif found.kind == "sweep":
                file = SweepFolder(found.path).definition
                stamp = stamp_of([file])
                known = self._sweeps.get(name)
                sweeps[name] = known if known and known[0] == stamp else (stamp, read_plain(file))
        self._facts, self._sweeps = facts, sweeps

    def _row(self, found: Found, facts: Facts, wanted: str | None, varied: tuple[str, ...]) -> Row:
        """A run's row, the one that was made before where nothing of it changed; a process may have died."""
        status = None if facts.record is None else facts.record.observed_status()
        key = (facts, status, wanted, varied)
        known = self._made.get(found.id)
        if known is None or known[0][0] is not facts or known[0][1:] != key[1:]:
            known = self._made[found.id] = (key, run_row(found, facts, wanted, varied))
        return known[1]

    def _make_rows(self) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        members: dict[str, list[Row]] = {}
        for name, facts in self._facts.items():
            found = self._found[name]
            definition = self._sweeps[found.group][1] if found.group in self._sweeps else {}
            varied = value_at(definition, "sweep.parameters")
            wanted = value_at(definition, "sweep.metric")
            paths = tuple(map(str, varied)) if isinstance(varied, dict) else ()
            row = rows[name] = self._row(found, facts, wanted, paths)
            members.setdefault(found.group or "", []).append(row)
        for name, found in self._found.items():
            if found.kind == "sweep":
                rows[name] = sweep_row(found, self._sweeps[name][1], members.get(name, []))
            elif found.kind == "folds" and not (is_new(found.path) and name not in members):
                rows[name] = folds_row(found, members.get(name, []))
        return rows
