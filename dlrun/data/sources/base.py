"""What every source is: named columns of rows, with the splits that come with them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from dlrun.data.dataset import Array
from dlrun.registry import Component

ColumnKind = Literal["image", "numbers", "text", "labels"]


@dataclass(frozen=True)
class Column:
    """One column of a source, as its array (rows, *shape) holds it.

    "image": (h, w, c) uint8, whose values reach from `range[0]` to `range[1]`. "numbers": any shape, float64 with NaN
    for missing, or uint8. "text": () int32 codes into `values`, the distinct strings, -1 for missing. "labels":
    int32 indices into `values`, the classes in the source's own order, () or an array of them. `original` is the type
    in the file: "int64", "bool", "float64", "str" ...; whole numbers can be classes, others can't.
    """

    name: str
    kind: ColumnKind
    shape: tuple[int, ...] = ()
    original: str = "float64"
    values: tuple[str, ...] = ()
    range: tuple[float, float] | None = None

    @property
    def dtype(self) -> str:
        """The dtype of the array."""
        if self.kind in ("text", "labels"):
            return "int32"
        return "uint8" if self.original == "uint8" else "float64"


@dataclass(frozen=True)
class Description:
    """What is known of a source: its columns, its rows by given split ({"all": n} when undivided), in their order.

    `target` is the column to predict where the source has one. `variant` and `notes` are as in `Dataset`.
    `rows` may be empty before the source was read.
    """

    columns: Mapping[str, Column]
    rows: Mapping[str, int]
    target: str | None = None
    variant: str = "full"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Raw:
    """A source as read: the arrays by column, the rows of the given splits one after the other."""

    description: Description
    arrays: Mapping[str, Array]

    @property
    def rows(self) -> int:
        """How many rows there are in all."""
        return sum(self.description.rows.values())


@dataclass(frozen=True)
class Windows:
    """How a stream is cut into rows: `length` tokens each, beginning every `stride` tokens."""

    length: int
    stride: int


class Store(Protocol):
    """Where arrays are put: in memory, or in a file of the cache that stands for it."""

    def array(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        """A new array to fill."""
        ...


@dataclass
class MemoryStore:
    """Arrays in memory."""

    arrays: dict[str, Array] = field(default_factory=dict)

    def array(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        """A new array to fill."""
        self.arrays[name] = np.empty(shape, np.dtype(dtype))
        return self.arrays[name]


class Source(Component):
    """Where the rows come from."""

    keeps_decoded: ClassVar[bool] = False
    """Whether decoding takes long enough that the decoded columns are kept in the cache."""
    cached: ClassVar[bool] = True
    """Whether the prepared data is worth keeping in the cache."""
    described_without_reading: ClassVar[bool] = False
    """Whether `probe` is exact, strings and classes included, though it reads no rows."""

    @abstractmethod
    def probe(self) -> Description:
        """Names, shapes and classes of the columns, as far as they are known without reading all rows."""

    @abstractmethod
    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """All rows of these columns (all when None), decoded into `store`; raises DataError."""

    def outline(self) -> tuple[Mapping[str, Column | None], str | None]:
        """The columns' names, with what is known of them without reading the rows, and the column to predict."""
        description = self.probe()
        return description.columns, description.target

    def fetch(self) -> None:
        """Makes sure that the files are there, by download where that is possible; raises DataError."""

    def windows(self) -> Windows | None:
        """How the rows of a source that is one stream, in their order, become windows; None for rows on their own."""
        return None

    def anomalies(self) -> Sequence[tuple[str, str]] | None:
        """The times, start and end of each, in which the source knows an anomaly; None where it knows of nothing."""
        return None

    def stamp(self) -> list[Any]:
        """What changes when the data does, without reading it: paths, sizes, times. JSON-able. After `fetch`."""
        return []
