"""Epochs of resampled classes: their sizes, their rows, and what is refused."""

import numpy as np
import pytest
from pydantic import ValidationError

from dlrun.data.resample import ResampleConfig, epoch_rows, epoch_sizes, resample_note, resampled_target
from dlrun.data.signature import Feature, Signature
from dlrun.errors import ConfigError

LABELS = np.repeat(np.arange(3, dtype=np.int32), (70, 20, 10))
CLASSES = Feature("target", (), "int32", "labels", ("a", "b", "c"), class_counts=(70, 20, 10))


def resample(**fields):
    return ResampleConfig.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "sizes"),
    [
        ({"method": "oversample"}, [70, 70, 70]),
        ({"method": "oversample", "ratio": 0.5}, [70, 35, 35]),
        ({"method": "undersample"}, [10, 10, 10]),
        ({"method": "undersample", "ratio": 0.25}, [40, 20, 10]),
        ({"method": "balanced"}, [34, 33, 33]),
    ],
)
def test_sizes_of_the_classes(fields, sizes):
    assert epoch_sizes(resample(**fields), LABELS, 3) == sizes


@pytest.mark.parametrize("method", ["oversample", "undersample", "balanced"])
def test_a_class_without_rows_stays_without(method):
    sizes = epoch_sizes(resample(method=method), LABELS[:90], 4)
    assert sizes[2:] == [0, 0]
    assert sizes[0] == sizes[1] > 0
    assert len(epoch_rows(LABELS[:90], sizes, 0, 0)) == sum(sizes)


def test_rows_of_a_class_are_taken_equally_often():
    rows = epoch_rows(LABELS, [70, 70, 25], 0, 0)
    times = np.bincount(rows, minlength=100)
    assert (times[:70] == 1).all()
    assert set(times[70:90]) == {3, 4}
    assert sorted(times[90:]) == [2] * 5 + [3] * 5
    assert (np.diff(rows) >= 0).all()


def test_each_epoch_draws_others_and_the_seed_decides():
    first, again, next_epoch, other = (
        epoch_rows(LABELS, [10, 10, 10], s, e) for s, e in ((0, 0), (0, 0), (0, 1), (1, 0))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, next_epoch)
    assert not np.array_equal(first, other)
    seen = {int(row) for epoch in range(60) for row in epoch_rows(LABELS, [10, 10, 10], 0, epoch)}
    assert seen == set(range(100)), "undersampling sees every row in time"


def test_the_note_tells_before_and_after():
    assert resample_note(CLASSES, LABELS, [70, 70, 70]) == (
        "resampled training rows of an epoch: a 70 → 70, b 20 → 70, c 10 → 70; 210 in all"
    )


def test_a_ratio_means_nothing_for_balanced():
    with pytest.raises(ValidationError, match="balanced classes are of one size"):
        resample(method="balanced", ratio=0.5)


@pytest.mark.parametrize(
    ("fields", "target", "path", "message"),
    [
        ({}, Feature("target", (), "float32"), ("data", "resample"), "'target' holds numbers"),
        ({}, Feature("target", (5,), "int32", "labels"), ("data", "resample"), "holds several classes a row"),
        ({"target": "sort"}, CLASSES, ("data", "resample", "target"), "there is no target 'sort'"),
    ],
)
def test_what_can_not_be_resampled(fields, target, path, message):
    with pytest.raises(ConfigError, match=message) as caught:
        resampled_target(resample(method="oversample", **fields), Signature({}, {"target": target}))
    assert caught.value.problems[0].path == path


def test_the_target_of_several():
    price, kind = Feature("price", (), "float32"), Feature("kind", (), "int32", "labels", ("x", "y"))
    assert resampled_target(resample(method="balanced"), Signature({}, {"price": price, "kind": kind})) is kind
