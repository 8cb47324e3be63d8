"""cifar10: 60,000 colour pictures."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

import numpy as np

from dlrun.data.dataset import Array
from dlrun.data.images import decode_image
from dlrun.data.progress import progress
from dlrun.data.sources.base import Column, Description, Raw, Store
from dlrun.data.sources.download import RemoteFile, download
from dlrun.data.sources.files import DATASETS, file_stamp, search_path
from dlrun.data.sources.named import NamedSource
from dlrun.errors import DataError

BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
BINARY_TAR = "cifar-10-binary.tar.gz"
JPEG_TAR = "cifar10_jpg.tar.gz"
RECORD = 1 + 3 * 32 * 32
JPEG_NOTE = (
    "CIFAR-10 is read from JPEG files, whose pixels differ a little from the original's: accuracies are not exactly "
    "comparable with published ones."
)


class Cifar10(NamedSource):
    """60,000 colour pictures, 32x32, 10 classes; 50,000 for training, 10,000 for testing.

    A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009). Reads the original binary batches,
    packed (cifar-10-binary.tar.gz) or unpacked, or the same pictures as JPEGs (cifar10_jpg.tar.gz with
    train/<class>/NNNN.jpg and test/...), the variant "jpeg".
    """

    type: Literal["cifar10"] = "cifar10"
    described_without_reading: ClassVar[bool] = True
    classes: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    remote: ClassVar[tuple[RemoteFile, ...]] = (
        RemoteFile(
            BINARY_TAR,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
        ),
    )

    def files(self) -> list[Path]:
        """The files of the first form that a folder of the search path holds; none where there is none."""
        for entry in search_path():
            folder = entry / self.type
            forms = [
                [folder / name for name in BATCHES],
                [folder / "cifar-10-batches-bin" / name for name in BATCHES],
                [folder / BINARY_TAR],
                [folder / JPEG_TAR],
            ]
            for form in forms:
                if all(path.is_file() for path in form):
                    return form
        return []

    def folder(self) -> Path | None:
        """The folder that holds the files, or None."""
        files = self.files()
        return files[0].parent if files else None

    def fetch(self) -> None:
        """Downloads the binary batches where no form is there."""
        if not self.files():
            download(self.remote, DATASETS / self.type)

    def stamp(self) -> list[Any]:
        """The files' paths, sizes and times."""
        self.found()
        return file_stamp(self.files())

    def probe(self) -> Description:
        """As published."""
        return self._describe({"train": 50_000, "test": 10_000})

    def read(self, store: Store, columns: Collection[str] | None = None) -> Raw:
        """Decodes the files into "image" (32, 32, 3) and "label"."""
        self.found()
        files = self.files()
        try:
            if files[0].name == JPEG_TAR:
                splits = self._read_jpegs(files[0])
            elif files[0].name == BINARY_TAR:
                splits = _read_binary_tar(files[0])
            else:
                splits = _join({path.name: _records(path.read_bytes(), path) for path in files}, files[0].parent)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise DataError(f"{files[0]} is damaged: {error}", help=f"delete {files[0]} and fetch it again") from None
        rows = {split: len(labels) for split, (_, labels) in splits.items()}
        image = store.array("image", (sum(rows.values()), 32, 32, 3), "uint8")
        label = store.array("label", (len(image),), "int32")
        np.concatenate([images for images, _ in splits.values()], out=image)
        label[:] = np.concatenate([labels for _, labels in splits.values()])
        return Raw(self._describe(rows), {"image": image, "label": label})

    def _describe(self, rows: dict[str, int]) -> Description:
        columns = {
            "image": Column("image", "image", (32, 32, 3), "uint8", range=(0.0, 255.0)),
            "label": Column("label", "labels", original="uint8", values=self.classes),
        }
        files = self.files()
        if files and files[0].name == JPEG_TAR:
            return Description(columns, rows, "label", "jpeg", (JPEG_NOTE,))
        return Description(columns, rows, "label")

    def _read_jpegs(self, path: Path) -> dict[str, tuple[Array, Array]]:
        """Decodes every JPEG of the archive, in the order of their names."""
        members = {name: content for name, content in _members(path) if name.endswith(".jpg")}
        images: dict[str, list[Array]] = {"train": [], "test": []}
        labels: dict[str, list[int]] = {"train": [], "test": []}
        for name in progress(sorted(members), "decoding CIFAR-10"):
            split, label, _ = name.split("/")[-3:]
            pixels = decode_image(members[name], f"{path}:{name}", 3)
            if pixels.shape != (32, 32, 3) or label not in self.classes or split not in images:
                raise DataError(f"{path}:{name} is no picture of CIFAR-10")
            images[split].append(pixels)
            labels[split].append(self.classes.index(label))
        if not images["train"] or not images["test"]:
            raise DataError(f"{path} lacks train/<class>/NNNN.jpg or test/<class>/NNNN.jpg")
        return {split: (np.stack(images[split]), np.array(labels[split])) for split in images}


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            file: IO[bytes] | None = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file.read()


def _read_binary_tar(path: Path) -> dict[str, tuple[Array, Array]]:
    batches = {}
    for name, content in _members(path):
        base = name.rsplit("/", 1)[-1]
        if base in BATCHES:
            batches[base] = _records(content, f"{path}:{name}")
    missing = [name for name in BATCHES if name not in batches]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}", help=f"delete {path} and fetch it again")
    return _join(batches, path)


def _records(content: bytes, name: Path | str) -> tuple[Array, Array]:
    """Images (rows, 32, 32, 3) and labels (rows,) of a batch: a label byte, then the red, green and blue planes."""
    if not content or len(content) % RECORD:
        raise DataError(f"{name} is damaged: {len(content)} bytes are no whole number of {RECORD}-byte records")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    if int(records[:, 0].max()) > 9:
        raise DataError(f"{name} is no batch of CIFAR-10: it has labels above 9")
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]


def _join(batches: dict[str, tuple[Array, Array]], place: Path) -> dict[str, tuple[Array, Array]]:
    """The splits; raises DataError where a batch has fewer rows than the others, as one cut between two rows has."""
    rows = {name: len(batches[name][1]) for name in BATCHES}
    short = min(rows, key=lambda name: rows[name])
    if rows[short] != max(rows.values()):
        raise DataError(f"{short} in {place} is damaged: it has {rows[short]} rows, others {max(rows.values())}")
    train = [batches[name] for name in BATCHES[:-1]]
    images = np.concatenate([images for images, _ in train])
    return {"train": (images, np.concatenate([labels for _, labels in train])), "test": batches[BATCHES[-1]]}
