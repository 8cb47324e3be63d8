"""What principal component analysis makes of an autoencoder: `python -m benchmarks.pca CONFIG [path=value ...]`.

Takes as many components as the config's layer `code` has units, and prints mean squared errors of the test rows in the
units of the loss: reconstructing the target from the input, by components of the training inputs; and the target from
itself, by components of the training targets, which is another figure where the input has noise.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.config.load import LoadedConfig, load_config
from dlrun.data.dataset import Dataset
from dlrun.data.load import load
from dlrun.data.signature import Feature
from dlrun.layers.dense import Dense


@dataclass(frozen=True)
class Errors:
    """Mean squared errors of the test rows."""

    components: int
    from_input: float
    from_target: float


def measure(loaded: LoadedConfig) -> Errors:
    """Fit and measure. Raises ValueError for a config without a dense layer named code."""
    config = loaded.config
    sizes = [layer.units for layer in config.model.layers if isinstance(layer, Dense) and layer.name == "code"]
    if len(sizes) != 1:
        raise ValueError("the config has no dense layer named code, whose units are the components")
    dataset = load(config.data, config.seed)
    inputs = {split: _rows(dataset, split, "inputs") for split in ("train", "test")}
    targets = {split: _rows(dataset, split, "targets") for split in ("train", "test")}
    return Errors(
        sizes[0],
        _error(inputs["train"], inputs["test"], targets["test"], sizes[0]),
        _error(targets["train"], targets["test"], targets["test"], sizes[0]),
    )


def _rows(dataset: Dataset, split: str, part: str) -> Any:
    """Return the only input or target of a split's rows, (rows, numbers) float32, as the network sees it."""
    features: dict[str, Feature] = getattr(dataset.signature, part)
    ((name, feature),) = features.items()
    array = getattr(dataset.splits[split], part)[name]
    values = np.asarray(array, np.float32) * np.array(feature.scale, np.float32) + np.array(feature.offset, np.float32)
    return values.reshape(len(array), -1)


def _error(train: Any, given: Any, wanted: Any, components: int) -> float:
    from sklearn.decomposition import PCA

    analysis = PCA(components, svd_solver="covariance_eigh").fit(train)
    found = analysis.inverse_transform(analysis.transform(given))
    return float(np.mean((found - wanted) ** 2))


def main(arguments: list[str]) -> None:
    """Measure and print."""
    found = measure(load_config(Path(arguments[0]), arguments[1:]))
    print(f"{found.components} principal components, mean squared error of the test rows")
    print(f"  target from input   {found.from_input:.5f}")
    print(f"  target from itself  {found.from_target:.5f}")


if __name__ == "__main__":
    main(sys.argv[1:])
