"""parallel_text: the same sentences in several languages, line by line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from dlrun.data.sources.base import Column, Description, Raw, Source, Store
from dlrun.data.sources.files import file_stamp, find_path
from dlrun.data.sources.text_files import Encoding, encode_texts, read_text
from dlrun.errors import DataError

Files = Annotated[dict[str, str], Field(min_length=1)]
Paths = Mapping[str, Mapping[str, Path]]
"""By given split, each column's file."""


class ParallelText(Source):
    """Texts that belong together, such as sentences and their translations: line by line in a file for each column.

    Each split is a mapping from columns, such as en and de, to files, gunzipped where a name ends in .gz. Rows of
    which a text is empty are left out. For translation the target's tokens follow one another: with
    `inputs: {en: ..., de: ...}` it is `target: {input: de, shift: 1}`.
    """

    type: Literal["parallel_text"] = "parallel_text"
    train: Files
    """The training files by column; a relative path starts at the working folder, or at a folder of DLRUN_DATASETS."""
    validation: Files | None = None
    """The files of the validation split that comes with the data, if any."""
    test: Files | None = None
    """The files of the test split that comes with the data, if any."""
    encoding: Encoding = "utf8"
    """How the files' bytes stand for characters."""

    @model_validator(mode="after")
    def _same_columns(self) -> Self:
        for name, files in self._given().items():
            if files.keys() != self.train.keys():
                raise ValueError(f"{name} has the columns {', '.join(files)}, but train has {', '.join(self.train)}")
        return self

    def _given(self) -> dict[str, dict[str, str]]:
        """Return the files of the splits that there are."""
        given = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: files for name, files in given.items() if files is not None}

    def _paths(self) -> Paths:
        return {
            split: {column: find_path(path) for column, path in files.items()} for split, files in self._given().items()
        }

    def stamp(self) -> list[Any]:
        """The files' paths, sizes and times."""
        return file_stamp(path for files in self._paths().values() for path in files.values())

    def probe(self) -> Description:
        """From the config."""
        return Description({column: text_column(column) for column in self.train}, {})

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Reads the files of these columns; raises DataError naming the one that can't be."""
        return read_parallel(self._paths(), self.encoding, store, columns)


def text_column(name: str, values: tuple[str, ...] = ()) -> Column:
    """A column of texts."""
    return Column(name, "text", original="str", values=values)


def read_parallel(paths: Paths, encoding: Encoding, store: Store, wanted: Collection[str] | None) -> Raw:
    """The wanted columns (all when None) of files with as many lines; raises DataError.

    A split of one file is called "all" when it is the only one. Rows of which a wanted text is empty are left out.
    """
    names = [name for name in next(iter(paths.values())) if wanted is None or name in wanted]
    texts: dict[str, list[str]] = {name: [] for name in names}
    counts, empty = {}, 0
    for split, files in paths.items():
        rows = _lines(files, names, encoding)
        whole = [row for row in rows if all(row)]
        empty += len(rows) - len(whole)
        counts[split if len(paths) > 1 else "all"] = len(whole)
        for index, name in enumerate(names):
            texts[name] += [row[index] for row in whole]
    arrays, columns = {}, {}
    for name in names:
        values, codes = encode_texts(texts[name])
        arrays[name] = store.array(name, (len(codes),), "int32")
        arrays[name][:] = codes
        columns[name] = text_column(name, values)
    notes = (f"{empty:,} rows of which a text is empty are left out",) if empty else ()
    return Raw(Description(columns, counts, notes=notes), arrays)


def _lines(files: Mapping[str, Path], names: list[str], encoding: Encoding) -> list[tuple[str, ...]]:
    """The texts of the columns, row by row, without blanks around them; raises DataError where files differ."""
    found = [lines_in_order(files[name], encoding) for name in names]
    for name, lines in zip(names, found, strict=True):
        if len(lines) != len(found[0]):
            raise DataError(
                f"{files[name]} has {len(lines):,} lines, but {files[names[0]]} has {len(found[0]):,}",
                help="parallel texts stand in the same lines of their files",
            )
        if not lines:
            raise DataError(f"{files[name]} holds no text")
    return list(zip(*found, strict=True))


def lines_in_order(path: Path, encoding: Encoding = "utf8") -> list[str]:
    """A file's lines without blanks around them, empty ones too, so that they keep their numbers; raises DataError."""
    text = read_text(path, encoding)
    return [line.strip() for line in text.removesuffix("\n").split("\n")] if text else []
