"""parquet: a table in columns."""

from __future__ import annotations

from typing import Any, Literal

from dlrun.data.sources.table import TableSource, polars
from dlrun.errors import DataError


class Parquet(TableSource):
    """A table in Apache Parquet format. Dates become text that sorts by time."""

    type: Literal["parquet"] = "parquet"

    def names_in_file(self) -> list[str]:
        """From the file's schema."""
        pl = polars("reading Parquet files")
        return list(self._guarded(lambda: pl.read_parquet_schema(self.file())))

    def frame(self, columns: list[str]) -> Any:
        """The columns, read alone."""
        pl = polars("reading Parquet files")
        return self._guarded(lambda: pl.read_parquet(self.file(), columns=columns))

    def _guarded(self, read: Any) -> Any:
        pl = polars("reading Parquet files")
        try:
            return read()
        except (pl.exceptions.PolarsError, OSError) as error:
            cause = str(error).strip().splitlines()[0]
            raise DataError(
                f"can't read {self.file()} as Parquet: {cause}", help="replace it by a whole Parquet file"
            ) from None
