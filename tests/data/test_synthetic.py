"""Made-up images and sequences of ids: shapes, classes, and that there is something to learn."""

import numpy as np
import pytest

from dlrun.data.load import load, probe
from tests.data.making import data_config


def made(split=None, **source):
    return load(data_config(source={"type": "synthetic", **source}, split=split or {}), 0)


def test_images_are_bytes_around_their_classs_own():
    dataset = made(generator="images", rows=60, shape=[5, 4, 3], classes=3, noise=0.05)
    split, feature = dataset.splits["train"], dataset.signature.inputs["image"]
    images, labels = split.inputs["image"], split.targets["target"]
    assert (images.shape, images.dtype, feature.kind) == ((60, 5, 4, 3), np.uint8, "image")
    assert dataset.signature.target.classes == ("0", "1", "2")
    means = np.stack([images[labels == label].mean(axis=0) for label in range(3)])
    nearest = np.abs(images[:, None] - means).mean(axis=(2, 3, 4)).argmin(axis=1)
    assert np.array_equal(nearest, labels)
    assert np.abs(images - means[labels]).mean() == pytest.approx(255 * 0.05 * 0.8, rel=0.2)


def test_sequences_hold_their_class_more_often():
    dataset = made(generator="sequences", rows=50, length=200, vocabulary=40, classes=4)
    split = dataset.splits["train"]
    ids, labels, feature = split.inputs["ids"], split.targets["target"], dataset.signature.inputs["ids"]
    assert (ids.shape, ids.dtype, feature.kind, len(feature.classes)) == ((50, 200), np.int32, "category", 40)
    assert (ids.min(), ids.max()) == (0, 39)
    assert (ids == labels[:, None]).mean() == pytest.approx(0.1 + 0.9 / 40, abs=0.02)
    assert (ids == (labels[:, None] + 1) % 4).mean() == pytest.approx(0.9 / 40, abs=0.01)


def test_chains_have_a_label_at_each_place():
    dataset = made(generator="chains", rows=40, length=50, vocabulary=6, split={"validation": 0.25})
    split, target = dataset.splits["train"], dataset.signature.target
    ids, labels = split.inputs["ids"], split.targets["target"]
    assert (labels.shape, labels.dtype, target.kind, target.shape) == ((30, 50), np.int32, "labels", (50,))
    assert target.classes == tuple("012345")
    assert sum(target.class_counts) == 30 * 50
    assert np.array_equal(ids[:, 1:], labels[:, :-1])
    follows = max(np.mean(labels[ids == 3] == after) for after in range(6))
    assert follows == pytest.approx(0.9 + 0.1 / 6, abs=0.05)


def test_what_they_are_is_known_without_making_them():
    config = data_config(source={"type": "synthetic", "generator": "sequences", "length": 9, "rows": 10**9})
    assert probe(config, 0).inputs["ids"].shape == (9,)


def test_each_class_of_sequences_has_an_id():
    with pytest.raises(ValueError, match="need a vocabulary of as many ids"):
        data_config(source={"type": "synthetic", "generator": "sequences", "vocabulary": 3, "classes": 4})
