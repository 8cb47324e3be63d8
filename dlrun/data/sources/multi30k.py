"""multi30k: captions of photographs in English, German and French."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar, Literal

from dlrun.data.sources.base import Description, Raw, Store
from dlrun.data.sources.download import RemoteFile
from dlrun.data.sources.named import NamedSource
from dlrun.data.sources.parallel_text import read_parallel, text_column

SPLITS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
LANGUAGES = ("en", "de", "fr")
ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"
SUMS = {
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.fr.gz": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.fr.gz": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.fr.gz": "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
}
"""The files and their SHA-256."""


class Multi30k(NamedSource):
    """29,000 captions of photographs with their translations for training, 1,014 for validation, 1,000 for testing.

    D. Elliott et al. (2016), German; D. Elliott et al. (WMT 2017), French; the test split is that of 2016. For research
    and education that isn't commercial. Columns: "en", "de", "fr".
    """

    type: Literal["multi30k"] = "multi30k"
    keeps_decoded: ClassVar[bool] = False
    remote: ClassVar[tuple[RemoteFile, ...]] = tuple(
        RemoteFile(name, digest, (f"{ADDRESS}/{name}",)) for name, digest in SUMS.items()
    )

    def probe(self) -> Description:
        """As published."""
        return Description({name: text_column(name) for name in LANGUAGES}, {})

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Reads the files of these languages; raises DataError naming the one that can't be."""
        folder = self.found()
        paths = {split: {name: folder / f"{stem}.{name}.gz" for name in LANGUAGES} for split, stem in SPLITS.items()}
        return read_parallel(paths, "utf8", store, columns)
