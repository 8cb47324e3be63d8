"""metrics.csv: one row an epoch, appended so that a kill at any instant costs at most the row being written."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import RunError
from dlrun.runs.files import append_bytes, write_bytes

Value = int | float | None
Row = Mapping[str, Value]

FIRST_COLUMNS = ("epoch", "step", "seconds", "samples_per_second", "learning_rate")
"""Every file begins with these columns; the metrics follow as train/loss, validation/loss ..."""
_INTEGERS = ("epoch", "step")


@dataclass(frozen=True)
class History:
    """The rows of a metrics.csv: `epoch` and `step` are ints, everything else floats, None where nothing stands."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def series(self, column: str) -> tuple[list[int], list[float]]:
        """Epochs and values of a column, rows without a value left out."""
        points = [(row["epoch"], row.get(column)) for row in self.rows]
        kept = [(int(epoch), float(value)) for epoch, value in points if epoch is not None and value is not None]
        return [epoch for epoch, _ in kept], [value for _, value in kept]


def append_metrics(path: Path, row: Row) -> None:
    """Adds an epoch's row; the first makes the file, and a name never seen before adds its column at the end.

    Names that the row lacks stay empty. Floats are written so that they read back to the same bits.

    Raises: RunError when the file is damaged or can't be written; then it is as it was.
    """
    header = _header(path)
    if header and set(row) <= set(header) and _ends_in_line(path):  # the usual case, without reading all rows
        append_bytes(path, _encode([_cells(header, row)]))
        return
    history = read_metrics(path)
    new = [name for name in (*FIRST_COLUMNS, *row) if name not in history.columns]
    columns = (*history.columns, *dict.fromkeys(new))
    if new or not _ends_in_line(path):
        write_bytes(path, _encode([columns, *(_cells(columns, each) for each in (*history.rows, row))]))
    else:
        append_bytes(path, _encode([_cells(columns, row)]))


def read_metrics(path: Path) -> History:
    """Reads the file; none at all is an empty history, and a last line without its end (a kill) is left out.

    Raises: RunError, with the line, when it is damaged.
    """
    try:
        content = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return History((), ())
    except OSError as error:
        raise RunError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is damaged: it is not UTF-8 text") from error
    whole = content[: content.rfind("\n") + 1]
    try:
        lines = list(csv.reader(io.StringIO(whole, newline=""), strict=True))
    except csv.Error as error:
        raise RunError(f"{path} is damaged: {error}") from error
    if not lines:
        return History((), ())
    columns = tuple(lines[0])
    if columns[: len(FIRST_COLUMNS)] != FIRST_COLUMNS or len(set(columns)) != len(columns):
        raise RunError(f"{path}:1: is no header of dlrun's metrics", f"it begins with {','.join(FIRST_COLUMNS)}")
    return History(columns, tuple(_row(path, number, columns, line) for number, line in enumerate(lines[1:], 2)))


def drop_after_step(path: Path, step: int) -> int:
    """Drops the rows of later steps, for a run that resumes from a checkpoint at `step`; returns how many.

    Raises: RunError when the file is damaged or can't be written; then it is as it was.
    """
    history = read_metrics(path)
    kept = [row for row in history.rows if (row["step"] or 0) <= step]
    if len(kept) < len(history.rows) or not _ends_in_line(path):
        header = [history.columns] if history.columns else []
        write_bytes(path, _encode([*header, *(_cells(history.columns, row) for row in kept)]))
    return len(history.rows) - len(kept)


def _header(path: Path) -> tuple[str, ...]:
    """The columns of a file whose first line is one of ours; none otherwise."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            columns = tuple(next(csv.reader([file.readline()]), ()))
    except FileNotFoundError:
        return ()
    return columns if columns[: len(FIRST_COLUMNS)] == FIRST_COLUMNS else ()


def _ends_in_line(path: Path) -> bool:
    """Whether the file's last line is whole, so that a row can be added; a file that isn't there has none to break."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            return file.read() in (b"", b"\n")
    except FileNotFoundError:
        return True


def _encode(lines: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode("utf-8")


def _cells(columns: Sequence[str], row: Row) -> list[str]:
    return [_text(name, row.get(name)) for name in columns]


def _text(name: str, value: Value) -> str:
    if value is None:
        return ""
    return str(int(value)) if name in _INTEGERS else repr(float(value))


def _row(path: Path, number: int, columns: Sequence[str], line: Sequence[str]) -> Row:
    if len(line) != len(columns):
        raise RunError(f"{path}:{number}: is damaged: {len(line)} values, and the header has {len(columns)} columns")
    row: dict[str, Value] = {}
    for name, text in zip(columns, line, strict=True):
        try:
            row[name] = None if text == "" else int(text) if name in _INTEGERS else float(text)
        except ValueError:
            raise RunError(f"{path}:{number}: is damaged: {text!r} is no number for {name!r}") from None
    if row["epoch"] is None or row["step"] is None:
        raise RunError(f"{path}:{number}: is damaged: it has no epoch or no step")
    return row
