"""movielens_100k: its files, whole and as the published split; ids as categories."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from dlrun.data.load import load
from dlrun.errors import DataError
from tests.data.making import data_config
from tests.data.test_named_sources import real_folder

IDS = {
    name: {"columns": [name], "transforms": [{"type": "categories", "unseen": "extra"}]} for name in ("user", "item")
}
BASE = "1\t10\t5\t100\n1\t20\t3\t200\n2\t10\t4\t300\n"
TEST = "2\t30\t1\t400\n"


def ratings(**source):
    return data_config(source={"type": "movielens_100k", **source}, inputs=IDS)


def test_the_published_split(own_place: Path) -> None:
    folder = own_place / "datasets/movielens_100k"
    folder.mkdir(parents=True)
    (folder / "u1.base.gz").write_bytes(gzip.compress(BASE.encode()))
    (folder / "u1.test").write_text(TEST)
    dataset = load(ratings(parts="u1"), 0)
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert train.inputs["user"].tolist() == [0, 0, 1]
    assert train.inputs["item"].tolist() == [0, 1, 0]
    assert train.targets["target"].tolist() == [5, 3, 4]
    assert dataset.signature.target.kind == "numbers"
    assert test.targets["target"].tolist() == [1]
    assert dataset.signature.inputs["item"].classes == ("10", "20", "<unseen>")
    assert test.inputs["item"].tolist() == [2], "an item that no training row has"
    with pytest.raises(DataError, match="can't download"):
        load(ratings(), 0)


def test_the_same_rows_as_csv(own_place: Path) -> None:
    folder = own_place / "datasets/movielens_100k"
    folder.mkdir(parents=True)
    (folder / "u.data").write_text(BASE + TEST)
    table = {"path": str(folder / "u.data"), "delimiter": "\t", "header": False}
    columns = {"names": ["user", "item", "rating", "timestamp"]}
    as_csv = data_config(
        source={"type": "csv", **table, **columns}, inputs=IDS, target={"column": "rating", "kind": "numbers"}
    )
    one, other = load(ratings(), 0).splits["train"], load(as_csv, 0).splits["train"]
    for name in ("user", "item"):
        np.testing.assert_array_equal(one.inputs[name], other.inputs[name])
    np.testing.assert_array_equal(one.targets["target"], other.targets["target"])


def test_the_real_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_DATASETS", str(real_folder("movielens_100k")))
    dataset = load(ratings(parts="u1"), 0)
    assert {name: split.rows for name, split in dataset.splits.items()} == {"train": 80_000, "test": 20_000}
    whole = load(ratings(), 0)
    assert np.bincount(whole.splits["train"].targets["target"].astype(int))[1:].tolist() == [
        6110, 11370, 27145, 34174, 21201,
    ]  # fmt: skip
    assert [len(feature.classes or ()) for feature in whole.signature.inputs.values()] == [944, 1683]
