"""What `dlrun data list`, `show` and `fetch` need: the named sets, as plain rows."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dlrun.data.sources import SOURCES
from dlrun.data.sources.base import Column, Source
from dlrun.data.sources.mnist import Mnist, has_sample
from dlrun.data.sources.named import NamedSource
from dlrun.data.sources.sklearn_sets import SklearnSource
from dlrun.errors import UsageError


@dataclass(frozen=True)
class CatalogRow:
    """A set by name: what it is, where it lies (None when nowhere yet), and its size on disk in bytes.

    `available` says whether a run could use it without a download. `rows` are by split, empty where reading the set
    would be needed to know them. `classes` are None for a target of numbers.
    `columns` are such as "image: 28 x 28 x 1, uint8"; only `show` fills them.
    """

    name: str
    description: str
    where: str | None
    available: bool
    bytes: int | None
    rows: dict[str, int]
    classes: tuple[str, ...] | None
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def catalog() -> list[CatalogRow]:
    """Every set with a name of its own, without reading one."""
    return [_row(_named(name), whole=False) for name in _names()]


def show(name: str) -> CatalogRow:
    """All about one set; raises UsageError for an unknown name, MissingExtra or DataError where it can't be read."""
    return _row(_named(name), whole=True)


def fetch(name: str) -> Path | None:
    """Downloads a set; returns its folder, or None for one that comes with a package.

    Raises Unreachable where no mirror answers (no sample stands in for mnist here), UsageError for an unknown name.
    """
    source = _named(name)
    if isinstance(source, Mnist):
        source.download()
    elif isinstance(source, NamedSource):
        source.fetch()
    else:
        source.stamp()
        return None
    return source.found()


def _named(name: str) -> Source:
    if name not in _names():
        raise UsageError(f"there is no data set {name!r}", help=f"one of: {', '.join(_names())}")
    return SOURCES[name].model_validate({"type": name})


def _names() -> list[str]:
    return [part.type_name() for part in SOURCES if issubclass(part, NamedSource | SklearnSource)]


def _row(source: Source, whole: bool) -> CatalogRow:
    where, available, size = _place(source)
    description = source.probe() if whole or isinstance(source, NamedSource) else None
    columns = description.columns if description else {}
    target = columns.get(description.target or "") if description else None
    return CatalogRow(
        source.type,
        (type(source).__doc__ or "").strip().splitlines()[0],
        where,
        available,
        size,
        dict(description.rows) if description else {},
        target.values if target is not None and target.kind == "labels" else None,
        tuple(_column_text(column) for column in columns.values()) if whole else (),
        description.notes if description else (),
    )


def _column_text(column: Column) -> str:
    shape = " x ".join(str(size) for size in column.shape)
    what = "class" if column.kind == "labels" else column.dtype
    return f"{column.name}: {shape}, {what}" if shape else f"{column.name}: {what}"


def _place(source: Source) -> tuple[str | None, bool, int | None]:
    """(where, usable without a download, bytes)."""
    if not isinstance(source, NamedSource):
        return "scikit-learn", find_spec("sklearn") is not None, None
    folder = source.folder()
    if folder is None:
        return None, isinstance(source, Mnist) and has_sample(), None
    return str(folder), True, sum(entry[1] for entry in source.stamp())
