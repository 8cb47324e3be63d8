"""csv: a table as text."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dlrun.data.sources.table import TableSource, polars
from dlrun.errors import DataError


class Csv(TableSource):
    """A table as text, one row a line; gzipped where the name ends in .gz.

    A column whose every value is a number holds numbers, any other one text. Values listed in `missing`, and empty
    ones, are missing.
    """

    type: Literal["csv"] = "csv"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """The character between two values."""
    quote: str | None = Field(default='"', min_length=1, max_length=1)
    """The character around values that hold delimiters; null where quotes are text like any other."""
    header: bool = True
    """Whether the first line names the columns."""
    names: tuple[str, ...] | None = None
    """The columns' names, for a file without a header; column_1, column_2 ... when left out."""
    missing: tuple[str, ...] = ("NA", "N/A", "NaN", "nan", "null", "NULL", "?")
    """The texts that stand for a missing value, besides an empty one."""
    encoding: Literal["utf8", "latin1"] = "utf8"
    """How the file's bytes stand for characters."""

    def names_in_file(self) -> list[str]:
        """From the first line."""
        return list(self._parse(n_rows=0).columns)

    def frame(self, columns: list[str]) -> Any:
        """The columns, their types taken from all rows."""
        return self._parse(infer_schema_length=None).select(columns)

    def _parse(self, **options: Any) -> Any:
        pl = polars("reading CSV files")
        path = self.file()
        try:
            frame = pl.read_csv(
                io.BytesIO(_content(path, self.encoding)),
                separator=self.delimiter,
                quote_char=self.quote,
                has_header=self.header,
                null_values=list(self.missing),
                **options,
            )
        except pl.exceptions.PolarsError as error:
            raise DataError(f"can't read {path} as CSV: {_first_line(error)}", help=_advice(path)) from None
        if self.names is None:
            return frame
        if len(self.names) != frame.width:
            raise DataError(f"{path} has {frame.width} columns, but `names` lists {len(self.names)}")
        return frame.rename(dict(zip(frame.columns, self.names, strict=True)))


def _content(path: Path, encoding: str) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as file:
                content = file.read()
        else:
            content = path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}", help="replace it by a whole copy") from None
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}") from None
    if b"\0" in content[:4096]:
        raise DataError(f"{path} is no CSV file: it holds binary data", help=_advice(path))
    return content if encoding == "utf8" else content.decode("latin1").encode()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _advice(path: Path) -> str:
    return f"check {path.name}'s delimiter, header and encoding, which the source's fields can say"
