"""Leakage, fingerprints, fitted values, autoencoders, limits, new rows, the catalog."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dlrun.data import catalog
from dlrun.data.codec import fitted_from_json, fitted_to_json, signature_from_json, signature_to_json
from dlrun.data.load import load, probe
from dlrun.data.predict import load_inputs
from dlrun.errors import DataError, UsageError
from tests.data.making import data_config, write_csv, write_image, write_mnist

polars = pytest.importorskip("polars", reason="the extra tables is not installed")

TABLE = {
    "source": {"type": "csv", "path": "t.csv"},
    "inputs": {
        "numbers": {"columns": ["a", "b"], "transforms": [{"type": "impute", "strategy": "median"}, "standardize"]},
        "scaled": {"columns": ["c"], "transforms": ["min_max"]},
        "town": {"transforms": [{"type": "impute", "strategy": "mode"}, "one_hot"]},
    },
    "target": {"column": "y", "transforms": ["standardize"]},
    "split": {"validation": 0.2, "test": 0.2, "type": "random"},
}


def rows(count: int = 60) -> dict[str, list]:
    random = np.random.default_rng(2)
    return {
        "a": [None if index % 9 == 4 else float(value) for index, value in enumerate(random.normal(size=count))],
        "b": random.normal(5, 3, count).tolist(),
        "c": random.uniform(0, 9, count).tolist(),
        "town": random.choice(["Bonn", "Köln", "Ulm"], count).tolist(),
        "y": random.normal(size=count).tolist(),
    }


def same(left: dict, right: dict) -> bool:
    return json.dumps(fitted_to_json(left), sort_keys=True) == json.dumps(fitted_to_json(right), sort_keys=True)


def test_changing_other_rows_never_changes_what_was_learned(own_place: Path) -> None:
    columns = rows()
    write_csv(own_place / "t.csv", columns)
    first = load(data_config(**TABLE), 3)
    for split in ("validation", "test"):
        for row in first.splits[split].index.tolist():
            columns["a"][row], columns["b"][row], columns["c"][row] = 1e6, -1e6, None
            columns["town"][row], columns["y"][row] = "Atlantis", 1e9
            columns["c"][row] = 1e5
    write_csv(own_place / "t.csv", columns)
    second = load(data_config(**TABLE), 3)
    assert same(first.fitted, second.fitted)
    assert first.signature == second.signature
    assert first.fingerprint != second.fingerprint
    for name, array in first.splits["train"].inputs.items():
        np.testing.assert_array_equal(array, second.splits["train"].inputs[name])
    assert not second.splits["test"].inputs["town"].any()  # a town that no training row has


def test_changing_training_rows_does(own_place: Path) -> None:
    columns = rows()
    write_csv(own_place / "t.csv", columns)
    first = load(data_config(**TABLE), 3)
    columns["c"][first.splits["train"].index[0]] = 100.0
    write_csv(own_place / "t.csv", columns)
    assert not same(first.fitted, load(data_config(**TABLE), 3).fitted)


def test_fitted_values_are_applied_unchanged(own_place: Path) -> None:
    write_csv(own_place / "t.csv", rows())
    first = load(data_config(**TABLE), 3)
    saved = fitted_from_json(json.loads(json.dumps(fitted_to_json(first.fitted))))
    again = load(data_config(**TABLE), 3, fitted=saved)
    assert again.fingerprint == first.fingerprint
    changed = {**saved, "inputs/scaled/0/low": np.array([-9.0]), "inputs/scaled/0/high": np.array([9.0])}
    scaled = load(data_config(**TABLE), 3, fitted=changed)
    expected = (np.array(rows()["c"])[scaled.splits["train"].index] + 9) / 18
    np.testing.assert_allclose(scaled.splits["train"].inputs["scaled"][:, 0], expected, rtol=1e-6)
    assert scaled.fingerprint != first.fingerprint


def test_only_some_splits(own_place: Path) -> None:
    write_csv(own_place / "t.csv", rows())
    test = load(data_config(**TABLE), 3, only=["test", "nothing"])
    whole = load(data_config(**TABLE), 3)
    assert list(test.splits) == ["test"]
    assert test.fingerprint == whole.fingerprint
    np.testing.assert_array_equal(test.splits["test"].inputs["numbers"], whole.splits["test"].inputs["numbers"])
    assert list(load(data_config(**TABLE), 3, only=["test"]).splits) == ["test"]


def test_fingerprints_follow_rows_split_and_transforms(own_place: Path) -> None:
    write_csv(own_place / "t.csv", rows())
    first = load(data_config(**TABLE), 3).fingerprint
    other_split = {**TABLE, "split": {**TABLE["split"], "validation": 0.3}}
    other_transform = {**TABLE, "target": {"column": "y"}}
    prints = [
        first,
        load(data_config(**TABLE), 4).fingerprint,
        load(data_config(**other_split), 3).fingerprint,
        load(data_config(**other_transform), 3).fingerprint,
        load(data_config(**TABLE, limit=10), 3).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    (own_place / "moved").mkdir()
    (own_place / "t.csv").rename(own_place / "moved/t.csv")
    moved = {**TABLE, "source": {"type": "csv", "path": "moved/t.csv"}}
    assert load(data_config(**moved), 3).fingerprint == first
    assert load(data_config(**moved, cache="memory"), 3).fingerprint == first


def test_limit_leaves_shapes_and_learned_values_alone(own_place: Path) -> None:
    write_csv(own_place / "t.csv", rows())
    whole, few = load(data_config(**TABLE), 3), load(data_config(**TABLE, limit=5), 3)
    assert few.splits["train"].rows == 5
    assert few.splits["test"].rows == whole.splits["test"].rows
    assert few.signature == whole.signature
    assert same(few.fitted, whole.fitted)


def test_an_autoencoders_target_is_its_input(own_place: Path) -> None:
    write_mnist(own_place / "datasets/mnist")
    config = data_config(
        source="mnist",
        inputs={"image": {"transforms": ["standardize"]}},
        target={"input": "image"},
        split={"validation": 0.1},
    )
    for _ in range(2):  # prepared, then from the cache
        dataset = load(config, 0)
        for split in dataset.splits.values():
            assert split.targets["target"] is split.inputs["image"]
        target, image = dataset.signature.target, dataset.signature.inputs["image"]
        assert (target.name, target.scale, target.offset) == ("target", image.scale, image.offset)
    assert list(probe(config, 0).targets) == ["target"]


def test_signature_survives_json(own_place: Path) -> None:
    write_csv(own_place / "t.csv", rows())
    signature = load(data_config(**TABLE), 3).signature
    assert signature_from_json(json.loads(json.dumps(signature_to_json(signature)))) == signature


def test_new_rows_from_a_table(own_place: Path) -> None:
    columns = rows()
    write_csv(own_place / "t.csv", columns)
    config = data_config(**TABLE)
    dataset = load(config, 3)
    test = dataset.splits["test"]
    new = {name: [columns[name][row] for row in test.index] for name in ("town", "c", "b", "a")}
    write_csv(own_place / "new.csv", new)
    polars.read_csv(own_place / "new.csv").write_parquet(own_place / "new.parquet")
    for name in ("new.csv", "new.parquet"):
        split = load_inputs(config, dataset.fitted, dataset.signature, [own_place / name])
        assert split.rows == test.rows
        assert not split.targets
        for input_name, array in test.inputs.items():
            np.testing.assert_array_equal(split.inputs[input_name], array)


def test_new_rows_that_lack_a_column(own_place: Path) -> None:
    write_csv(own_place / "t.csv", rows())
    config = data_config(**TABLE)
    dataset = load(config, 3)
    write_csv(own_place / "new.csv", {"a": [1], "b": ["many"], "town": ["Ulm"]})
    with pytest.raises(DataError, match="lacks 'c'"):
        load_inputs(config, dataset.fitted, dataset.signature, [own_place / "new.csv"])
    write_csv(own_place / "new.csv", {"a": [1], "b": ["many"], "c": [1], "town": ["Ulm"]})
    with pytest.raises(DataError, match=r"column 'b' of .* holds text, such as 'many'"):
        load_inputs(config, dataset.fitted, dataset.signature, [own_place / "new.csv"])


def test_new_images(own_place: Path) -> None:
    images, _ = write_mnist(own_place / "datasets/mnist")
    config = data_config(source="mnist")
    dataset = load(config, 0)
    write_image(own_place / "p/0.png", images[0])
    write_image(own_place / "p/1.png", np.stack([images[1]] * 3, axis=-1))
    write_image(own_place / "p/2.png", images[2].repeat(2, 0).repeat(2, 1))
    split = load_inputs(config, dataset.fitted, dataset.signature, [own_place / "p"])
    assert split.inputs["image"].shape == (3, 28, 28, 1)
    np.testing.assert_array_equal(split.inputs["image"][:2, ..., 0], images[:2])
    np.savez(own_place / "new.npz", image=images[:4])
    split = load_inputs(config, dataset.fitted, dataset.signature, [own_place / "new.npz"])
    np.testing.assert_array_equal(split.inputs["image"][..., 0], images[:4])
    write_image(own_place / "wide.png", np.zeros((28, 56), np.uint8))
    with pytest.raises(DataError, match=r"wide\.png is 56 x 28 pixels; the network takes 28 x 28"):
        load_inputs(config, dataset.fitted, dataset.signature, [own_place / "wide.png"])
    (own_place / "no.png").write_text("text")
    with pytest.raises(DataError, match=r"no\.png: its content is no image"):
        load_inputs(config, dataset.fitted, dataset.signature, [own_place / "no.png"])


def test_catalog(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(own_place / "datasets/mnist")
    listed = {row.name: row for row in catalog.catalog()}
    assert set(listed) == {
        "breast_cancer", "cifar10", "diabetes", "digits", "etth1", "fashion_mnist", "iris", "mnist",
        "movielens_100k", "multi30k", "nab", "names", "rt_polarity", "tiny_shakespeare", "wine",
    }  # fmt: skip
    assert listed["mnist"].where == "datasets/mnist"
    assert listed["mnist"].rows == {"train": 100, "test": 40}
    assert listed["mnist"].bytes > 1000
    assert not listed["cifar10"].available
    assert catalog.show("wine").rows == {"all": 178}
    assert catalog.show("mnist").columns == ("image: 28 x 28 x 1, uint8", "label: class")
    assert catalog.fetch("mnist") == Path("datasets/mnist")
    with pytest.raises(DataError, match="can't download"):
        catalog.fetch("cifar10")
    with pytest.raises(UsageError, match="no data set 'mnst'"):
        catalog.show("mnst")


def test_an_autoencoder_does_not_see_the_labels() -> None:
    config = data_config(source="digits", target={"input": "image"})
    assert list(probe(config, 0).inputs) == ["image"]
