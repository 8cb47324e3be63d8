"""digits, iris, wine, breast_cancer, diabetes: the sets that come with scikit-learn and need no network."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import numpy as np

from dlrun.data.sources.base import Column, Description, MemoryStore, Raw, Source, Store
from dlrun.errors import MissingExtra


class SklearnSource(Source):
    """A set of scikit-learn, of the same name there."""

    def stamp(self) -> list[Any]:
        """The package's version."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return [version("scikit-learn")]
        except PackageNotFoundError:
            raise MissingExtra("scikit-learn", "sklearn", f"the data set {self.type!r}") from None

    def probe(self) -> Description:
        """Reads the set, which is small."""
        return self.read(MemoryStore()).description

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """A column for each feature, and "label" with the classes' names, or "target" with numbers."""
        bunch = self._bunch()
        names = [str(name) for name in bunch.feature_names]
        described = {name: Column(name, "numbers") for name in names}
        target = _target(bunch)
        described[target.name] = target
        values = {name: bunch.data[:, index] for index, name in enumerate(names)} | {target.name: bunch.target}
        return _stored(described, values, target.name, store, columns)

    def _bunch(self) -> Any:
        try:
            from sklearn import datasets
        except ImportError:
            raise MissingExtra("scikit-learn", "sklearn", f"the data set {self.type!r}") from None
        load = getattr(datasets, f"load_{self.type}")
        return load(scaled=False) if self.type == "diabetes" else load()


class Digits(SklearnSource):
    """1,797 grey images of handwritten digits, 8x8, 10 classes; pixels from 0 to 16."""

    type: Literal["digits"] = "digits"

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Columns "image" (8, 8, 1) and "label"."""
        bunch = self._bunch()
        described = {
            "image": Column("image", "image", (8, 8, 1), "uint8", range=(0.0, 16.0)),
            "label": _target(bunch),
        }
        return _stored(described, {"image": bunch.images[..., None], "label": bunch.target}, "label", store, columns)


class Iris(SklearnSource):
    """150 flowers of three species of iris, four measurements each (R. A. Fisher, 1936)."""

    type: Literal["iris"] = "iris"


class Wine(SklearnSource):
    """178 wines of three cultivars, thirteen measurements each."""

    type: Literal["wine"] = "wine"


class BreastCancer(SklearnSource):
    """569 tumours, malignant or benign, thirty measurements each."""

    type: Literal["breast_cancer"] = "breast_cancer"


class Diabetes(SklearnSource):
    """442 patients, ten measurements each in their own units; "target" is the disease's progression after a year."""

    type: Literal["diabetes"] = "diabetes"


def _target(bunch: Any) -> Column:
    if "target_names" not in bunch:
        return Column("target", "numbers")
    return Column("label", "labels", original="int64", values=tuple(str(name) for name in bunch.target_names))


def _stored(
    described: dict[str, Column], values: dict[str, Any], target: str, store: Store, columns: Collection[str] | None
) -> Raw:
    arrays = {}
    rows = len(values[target])
    for name, column in described.items():
        if columns is None or name in columns:
            arrays[name] = store.array(name, (rows, *column.shape), column.dtype)
            arrays[name][:] = np.asarray(values[name])
    return Raw(Description(described, {"all": rows}, target), arrays)
