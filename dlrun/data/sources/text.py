"""text: lines, files or one long stream of text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from dlrun.data.sources.base import Description, Raw, Source, Store, Windows
from dlrun.data.sources.files import file_stamp, find_path
from dlrun.data.sources.text_files import (
    Encoding,
    TextFile,
    class_names,
    describe_text,
    list_files,
    read_examples,
    read_pieces,
    text_columns,
)


class Text(Source):
    """Text, one example a line; gunzipped where a name ends in .gz. Columns: "text", and "label" with classes.

    `path` is a file; or a folder with a file for each class, named after it (reviews.pos and reviews.neg: what differs
    in their names), or with a folder of files for each class, each file an example. Files or folders called train,
    validation (val) and test in it are given splits. With `stream` the files are one long text, cut into windows
    after it was tokenized, those of validation behind those of training: what a language model learns from.
    """

    type: Literal["text"] = "text"
    path: str
    """A file or folder; a relative path starts at the working folder, or at a folder of DLRUN_DATASETS."""
    files: str | None = None
    """Which files of a folder belong to it, as a pattern such as "*.md"; those that end in .txt when left out."""
    encoding: Encoding = "utf8"
    """How the files' bytes stand for characters."""
    stream: bool = False
    """Whether the text is one stream, not one example a line."""
    length: int | None = Field(default=None, gt=0)
    """The tokens of a window of a stream."""
    stride: int | None = Field(default=None, gt=0)
    """How many tokens after a window the next one begins; the window's length when left out."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.stream and self.length is None:
            raise ValueError("a stream is cut into windows: give their length, such as 64")
        if not self.stream and (self.length is not None or self.stride is not None):
            raise ValueError("length and stride are those of a stream's windows: add stream: true, or leave them out")
        return self

    def windows(self) -> Windows | None:
        """The windows of a stream."""
        return Windows(self.length, self.stride or self.length) if self.stream and self.length else None

    def stamp(self) -> list[Any]:
        """The files' paths, sizes and times."""
        return file_stamp(file.path for file in self._files())

    def probe(self) -> Description:
        """From the files' names."""
        return describe_text(class_names(self._files()), {})

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Reads all files; raises DataError naming the one that can't be."""
        files = self._files()
        rows = read_pieces(files, self.encoding) if self.stream else read_examples(files, self.encoding)
        return text_columns(rows, class_names(files), store, columns)

    def _files(self) -> list[TextFile]:
        found = list_files(find_path(self.path), self.files)
        return [TextFile(file.path, file.split) for file in found] if self.stream else found
