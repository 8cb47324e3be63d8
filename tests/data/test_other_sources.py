"""npz, npy, image_folder, synthetic and scikit-learn's sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlrun.data.load import load, probe
from dlrun.errors import ConfigError, DataError, MissingExtra
from tests.data.making import data_config, write_image

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (12, 5, 4), np.uint8)
LABELS = np.arange(12) % 3
SERIES = RANDOM.normal(size=(12, 6, 2)).astype(np.float32)
NAMES = np.array(["x", "y", "z"])[LABELS]


def npz(**fields):
    return data_config(source={"type": "npz", "path": "a.npz"}, **fields)


def test_npz_images_and_labels(own_place: Path) -> None:
    np.savez_compressed(own_place / "a.npz", x=IMAGES, y=LABELS)
    dataset = load(npz(), 0)
    feature = dataset.signature.inputs["x"]
    assert (feature.shape, feature.stored_dtype, feature.scale) == ((5, 4, 1), "uint8", (1 / 255,))
    np.testing.assert_array_equal(dataset.splits["train"].inputs["x"][..., 0], IMAGES)
    assert dataset.signature.target.classes == ("0", "1", "2")
    assert probe(npz(), 0) == dataset.signature


def test_npz_with_splits_in_the_names(own_place: Path) -> None:
    np.savez(own_place / "a.npz", x_train=SERIES[:8], y_train=NAMES[:8], x_test=SERIES[8:], y_test=NAMES[8:])
    dataset = load(npz(), 0)
    assert {name: split.rows for name, split in dataset.splits.items()} == {"train": 8, "test": 4}
    assert dataset.signature.inputs["x"].shape == (6, 2)
    np.testing.assert_array_equal(dataset.splits["test"].inputs["x"], SERIES[8:])
    assert dataset.signature.target.classes == ("x", "y", "z")


def test_npz_single_numbers_stand_side_by_side(own_place: Path) -> None:
    np.savez(own_place / "a.npz", a=np.arange(12), b=np.arange(12) / 2, series=SERIES, target=np.arange(12) / 7)
    dataset = load(npz(), 0)
    assert {name: feature.shape for name, feature in dataset.signature.inputs.items()} == {
        "series": (6, 2),
        "features": (2,),
    }
    assert dataset.signature.target.kind == "numbers"


def test_npy_files_are_mapped(own_place: Path) -> None:
    np.save(own_place / "x.npy", SERIES)
    np.save(own_place / "y.npy", LABELS)
    config = data_config(source={"type": "npy", "arrays": {"x": "x.npy", "y": "y.npy"}}, cache="disk")
    np.testing.assert_array_equal(load(config, 0).splits["train"].inputs["x"], SERIES)


def test_an_npy_input_larger_than_a_chunk(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.data.pipeline.CHUNK", 200)
    np.save(own_place / "x.npy", SERIES)
    np.save(own_place / "y.npy", LABELS)
    config = data_config(
        source={"type": "npy", "arrays": {"x": "x.npy", "y": "y.npy"}}, inputs={"x": {"transforms": ["standardize"]}}
    )
    x = load(config, 0).splits["train"].inputs["x"]
    np.testing.assert_allclose(x, (SERIES - SERIES.mean((0, 1))) / SERIES.std((0, 1)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": SERIES, "y": LABELS[:-1]}, "'y' in a.npz has 11 rows"),
        ({"x": np.array([{}] * 12), "y": LABELS}, "'x' in a.npz is of dtype object"),
        ({"x": np.float64(3), "y": LABELS}, "'x' in a.npz is a single value"),
        ({"x": SERIES[:0], "y": LABELS[:0]}, "holds no rows"),
    ],
)
def test_arrays_that_do_not_fit(own_place: Path, arrays: dict, message: str) -> None:
    np.savez(own_place / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load(npz(), 0)


@pytest.mark.parametrize("damage", ["cut", "text", "flipped"])
def test_damaged_arrays_are_named(own_place: Path, damage: str) -> None:
    np.savez(own_place / "a.npz", x=SERIES, y=LABELS)
    np.save(own_place / "x.npy", SERIES)
    for name in ("a.npz", "x.npy"):
        content = bytearray((own_place / name).read_bytes())
        if damage == "cut":
            content = content[: len(content) // 2]
        elif damage == "text":
            content = bytearray(b"x,y\n1,2\n")
        elif name == "a.npz":
            content[400] ^= 0xFF
        else:
            content[1] ^= 0xFF
        (own_place / name).write_bytes(content)
    with pytest.raises(DataError, match=r"can't read .*a\.npz as npz"):
        load(npz(), 0)
    with pytest.raises(DataError, match=r"can't read .*x\.npy as npy"):
        load(data_config(source={"type": "npy", "arrays": {"x": "x.npy"}}, target={"input": "x"}), 0)


def folder(**fields):
    return data_config(source={"type": "image_folder", "path": "pictures", **fields})


@pytest.fixture
def pictures(own_place: Path) -> dict[str, np.ndarray]:
    pytest.importorskip("PIL", reason="the extra images is not installed")
    random = np.random.default_rng(1)
    made = {}
    for name in ("10/a.png", "10/b.png", "9/a.png", "9/c.png", "9/d.png"):
        made[name] = random.integers(0, 256, (6, 5, 3), np.uint8)
        write_image(own_place / "pictures" / name, made[name])
    (own_place / "pictures/9/notes.txt").write_text("not an image")
    return made


def test_folders_are_classes(pictures: dict[str, np.ndarray]) -> None:
    probed = probe(folder(), 0)
    dataset = load(folder(), 0)
    assert dataset.signature.target.classes == ("9", "10")
    images, labels = dataset.splits["train"].inputs["image"], dataset.splits["train"].targets["target"]
    assert len(images) == 5
    np.testing.assert_array_equal(images[0], pictures["10/a.png"])
    assert labels.tolist() == [1, 1, 0, 0, 0]
    assert dataset.signature.target.class_counts == (3, 2)
    assert probe(folder(), 0) == dataset.signature
    assert probed.inputs == dataset.signature.inputs
    assert replace(probed.target, class_counts=(3, 2)) == dataset.signature.target


def test_folders_on_top_are_splits(own_place: Path, pictures: dict[str, np.ndarray]) -> None:
    for split in ("train", "val", "test"):
        (own_place / "set" / split).mkdir(parents=True)
        for name in ("9", "10"):
            (own_place / "set" / split / name).symlink_to(own_place / "pictures" / name)
    dataset = load(data_config(source={"type": "image_folder", "path": "set"}), 0)
    assert {name: split.rows for name, split in dataset.splits.items()} == {"train": 5, "validation": 5, "test": 5}


def test_image_size_and_color_mode(pictures: dict[str, np.ndarray]) -> None:
    dataset = load(folder(image_size=[3, 4], color_mode="grey"), 0)
    assert dataset.splits["train"].inputs["image"].shape == (5, 3, 4, 1)


def test_a_new_image_is_noticed(own_place: Path, pictures: dict[str, np.ndarray]) -> None:
    first = load(folder(), 0)
    write_image(own_place / "pictures/9/e.png", pictures["9/a.png"])
    second = load(folder(), 0)
    assert (first.splits["train"].rows, second.splits["train"].rows) == (5, 6)
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize("content", [b"this is text", b"half"])
def test_a_file_that_is_no_image_is_named(own_place: Path, pictures: dict[str, np.ndarray], content: bytes) -> None:
    path = own_place / "pictures/9/c.png"
    path.write_bytes(path.read_bytes()[:60] if content == b"half" else content)
    with pytest.raises(DataError, match=r"can't read the image pictures/9/c\.png"):
        load(folder(), 0)


def test_images_of_different_sizes(own_place: Path, pictures: dict[str, np.ndarray]) -> None:
    write_image(own_place / "pictures/9/d.png", np.zeros((7, 7, 3), np.uint8))
    with pytest.raises(DataError, match=r"9/d\.png is 7 x 7 pixels, the first image 5 x 6") as caught:
        load(folder(), 0)
    assert "image_size" in caught.value.help


def test_deep_images_are_refused_rather_than_clipped(own_place: Path, pictures: dict[str, np.ndarray]) -> None:
    write_image(own_place / "pictures/9/d.png", np.full((6, 5), 40_000, np.uint16))
    with pytest.raises(DataError, match=r"9/d\.png has more than 8 bits"):
        load(folder(), 0)


def test_a_folder_without_images(own_place: Path) -> None:
    (own_place / "pictures/9").mkdir(parents=True)
    with pytest.raises(DataError, match="no training images in pictures"):
        probe(folder(), 0)


def test_a_line_is_the_line() -> None:
    source = {"type": "synthetic", "rows": 4000, "noise": 0.05}
    train = load(data_config(source=source), 0).splits["train"]
    slope, intercept = np.polyfit(train.inputs["features"][:, 0], train.targets["target"], 1)
    assert abs(slope - 2) < 0.01
    assert abs(intercept - 3) < 0.01


@pytest.mark.parametrize(("generator", "classes"), [("blobs", 4), ("moons", 2), ("spirals", 4), ("sine", None)])
def test_synthetic_generators(generator: str, classes: int | None) -> None:
    source = {"type": "synthetic", "generator": generator, "classes": 4, "rows": 200, "noise": 0.0}
    dataset = load(data_config(source=source, split={"test": 0.25}), 0)
    target = dataset.splits["test"].targets["target"]
    x = dataset.splits["test"].inputs["features"]
    if classes is None:
        np.testing.assert_allclose(target, np.sin(x[:, 0]), atol=1e-6)
    else:
        assert len(dataset.signature.target.classes) == classes
        assert set(np.bincount(target)) <= {50 // classes, 50 // classes + 1}
        assert x.shape == (50, 2)
        assert len(np.unique(x, axis=0)) >= classes
    other = load(data_config(source={**source, "seed": 1}, split={"test": 0.25}), 0)
    assert (other.fingerprint == dataset.fingerprint) == (generator == "blobs")  # noiseless blobs are their centres


@pytest.mark.parametrize(
    ("name", "rows", "shape", "classes"),
    [
        ("digits", 1797, (8, 8, 1), 10),
        ("iris", 150, (4,), 3),
        ("wine", 178, (13,), 3),
        ("breast_cancer", 569, (30,), 2),
        ("diabetes", 442, (10,), None),
    ],
)
def test_sklearn_sets(name: str, rows: int, shape: tuple[int, ...], classes: int | None) -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="the extra sklearn is not installed")
    dataset = load(data_config(source=name), 0)
    (feature,) = dataset.signature.inputs.values()
    train = dataset.splits["train"]
    assert (train.rows, feature.shape) == (rows, shape)
    target = dataset.signature.target
    assert (len(target.classes) if target.classes else None) == classes
    np.testing.assert_array_equal(train.targets["target"], getattr(datasets, f"load_{name}")().target)
    if name == "digits":
        assert feature.scale == (1 / 16,)


def test_missing_extras_name_the_extra(monkeypatch: pytest.MonkeyPatch, own_place: Path) -> None:
    import sys

    (own_place / "t.csv").write_text("a,b\n1,2\n")
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtra, match="polars") as caught:
        load(data_config(source={"type": "csv", "path": "t.csv"}, target="b"), 0)
    assert "dlrun[tables]" in caught.value.help
    with pytest.raises(MissingExtra, match="scikit-learn"):
        load(data_config(source="iris"), 0)


def test_image_transforms_are_refused_for_numbers() -> None:
    inputs = {"features": {"transforms": [{"type": "resize", "height": 2, "width": 2}]}}
    with pytest.raises(ConfigError, match="resize takes images") as caught:
        probe(data_config(source={"type": "synthetic"}, inputs=inputs), 0)
    assert caught.value.problems[0].path == ("data", "inputs", "features", "transforms", 0)
