"""What a table looks like: how its file is read, what its columns hold, and which is worth predicting."""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dlrun.data.sources.csv import Csv
from dlrun.data.sources.parquet import Parquet
from dlrun.errors import DataError

Role = Literal["number", "category", "text", "left out"]

DELIMITERS = (",", "\t", ";", "|")
LINES = 200
"""Lines of a file from whose shape delimiter and header are guessed."""
MOST_CATEGORIES, MOST_CLASSES, FEW_NUMBERS = 100, 50, 5
"""Values of a column of categories, of a target of classes, and of whole numbers that stand for categories."""
PROSE = (".txt", ".md")
"""Endings of files in which commas before blanks divide sentences."""
MOST_MISSING = 0.5
"""Columns with a larger share of missing values are left out."""
WORDS_OF_A_TEXT = 6
"""Words that the values of a column of texts have in the mean: names and addresses have fewer."""
TARGETS = (
    "target", "label", "labels", "class", "y", "outcome", "survived", "species", "churn", "diagnosis", "quality",
    "price", "sentiment", "category", "score", "rating", "value",
)  # fmt: skip
"""Words in the names of columns that people predict, the plainest first."""


@dataclass(frozen=True)
class TableColumn:
    """A column: what it holds, how many values and missing ones it has, and why it is left out, if it is."""

    name: str
    role: Role
    values: int
    missing: int
    whole: bool = False
    """Whether it holds numbers that are all whole."""
    length: int = 0
    """Words of which 95 % of its texts have no more."""
    reason: str = ""

    @property
    def predicts_classes(self) -> bool:
        """Whether the column, as a target, holds classes."""
        if self.role == "number":
            return self.whole and self.values <= 20
        return self.values <= MOST_CLASSES


@dataclass(frozen=True)
class Table:
    """A file as a source of the config language, and its columns."""

    source: dict[str, Any]
    columns: tuple[TableColumn, ...]
    rows: int

    def column(self, name: str) -> TableColumn | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)

    def targets(self) -> list[TableColumn]:
        """The columns that can be predicted, the likeliest first."""
        possible = [c for c in self.columns if c.values > 1 and (c.role == "number" or c.predicts_classes)]
        has_text = any(column.role == "text" for column in self.columns)

        def rank(column: TableColumn) -> tuple[int, int, int]:
            words = re.split(r"[\W_]+", column.name.lower())
            named = min((TARGETS.index(word) for word in words if word in TARGETS), default=len(TARGETS))
            unlikely = column.role == "left out" or (has_text and not column.predicts_classes)
            return int(unlikely), named, -self.columns.index(column)

        return sorted(possible, key=rank)


def read_table(path: str, file: Path) -> Table | None:
    """Look at a file; None where it is no table. `path` is how the config names it. Raises: DataError, MissingExtra."""
    if file.suffix == ".parquet":
        source: dict[str, Any] = {"type": "parquet", "path": path}
        reader = Parquet(path=str(file))
        return _table(source, reader.frame(reader.names_in_file()), file)
    failure: DataError | None = None
    for source in csv_sources(path, file):
        try:
            csv_reader = Csv.model_validate({**source, "path": str(file)})
            return _table(source, csv_reader.frame(csv_reader.names_in_file()), file)
        except DataError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return None


def _table(source: dict[str, Any], frame: Any, file: Path) -> Table:
    if not frame.height:
        raise DataError(f"{file} holds no rows")
    return Table(source, tuple(_column(series, frame.height) for series in frame.get_columns()), frame.height)


def csv_sources(path: str, file: Path) -> Iterator[dict[str, Any]]:
    """Fields of csv sources that fit the first lines, the likelier first: delimiter, quotes, header; none for prose."""
    lines = _first_lines(file)
    for quoted in (True, False):
        for delimiter in DELIMITERS:
            rows = _split(lines, delimiter, quoted)
            width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
            is_prose = delimiter == "," and all(cell.startswith(" ") for row in rows for cell in row[1:])
            if width > 1 and count == len(rows) and not (is_prose and file.suffix in PROSE):
                yield _described(path, delimiter, quoted, rows)


def _described(path: str, delimiter: str, quoted: bool, rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    source: dict[str, Any] = {"type": "csv", "path": path}
    if delimiter != ",":
        source["delimiter"] = delimiter
    if not quoted:
        source |= {"quote": None, "missing": []}
    if not _has_header(rows):
        source |= {"header": False, "names": [f"column_{index + 1}" for index in range(len(rows[0]))]}
    return source


def _first_lines(file: Path) -> list[str]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as opened:
            return [line for _, line in zip(range(LINES), opened, strict=False) if line.strip()]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"can't read {file} as text: {error}", "UTF-8 text, Parquet or a folder is expected") from None


def _split(lines: Sequence[str], delimiter: str, quoted: bool) -> list[list[str]]:
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    try:
        return list(csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True))
    except csv.Error:
        return []


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: no numbers, no name twice, and none that is a value further down."""
    first, rest = rows[0], rows[1:]
    if any(_is_number(cell) or not cell.strip() for cell in first) or len(set(first)) < len(first):
        return False
    return not any(cell in {row[index] for row in rest} for index, cell in enumerate(first))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column(series: Any, rows: int) -> TableColumn:
    name, missing = series.name, int(series.null_count())
    known = series.drop_nulls()
    values = int(known.n_unique())
    numeric = series.dtype.is_numeric() or str(series.dtype) == "Boolean"
    whole = numeric and (not series.dtype.is_float() or bool((known == known.round()).all()))
    if values < 2:
        return TableColumn(name, "left out", values, missing, reason="the same value in every row")
    if missing > MOST_MISSING * rows:
        return TableColumn(name, "left out", values, missing, whole, reason=f"missing in {missing:,} of {rows:,} rows")
    if numeric:
        counts_rows = whole and values == rows and bool((known.sort().diff().drop_nulls() == 1).all())
        if counts_rows and rows > FEW_NUMBERS:
            return TableColumn(name, "left out", values, missing, reason="it numbers the rows")
        is_category = whole and 2 < values <= FEW_NUMBERS
        return TableColumn(name, "category" if is_category else "number", values, missing, whole)
    return _of_text(name, known, values, missing)


def _of_text(name: str, known: Any, values: int, missing: int) -> TableColumn:
    if str(known.dtype) != "String":
        return TableColumn(name, "left out", values, missing, reason=f"its type is {known.dtype}")
    words = known.str.split(" ").list.len()
    if float(words.mean()) >= WORDS_OF_A_TEXT:
        return TableColumn(name, "text", values, missing, length=int(words.quantile(0.95)))
    if values > min(MOST_CATEGORIES, max(len(known) // 2, 2)):
        return TableColumn(name, "left out", values, missing, reason=f"{values:,} different values")
    return TableColumn(name, "category", values, missing)
