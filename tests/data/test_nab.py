"""nab: its files, and the windows that it labels."""

import json

import pytest

from dlrun.data.sources.base import MemoryStore
from dlrun.data.sources.nab import LABELS, MACHINE, TAXI, Nab
from dlrun.errors import DataError

WINDOWS = [["2014-07-01 01:00:00.000000", "2014-07-01 02:00:00.000000"]]


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """A small copy of the benchmark."""
    folder = tmp_path / "nab"
    for name in (TAXI, LABELS, "realTweets/a.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name in (TAXI, "realTweets/a.csv"):
        (folder / name).write_text("timestamp,value\n2014-07-01 00:00:00,5\n2014-07-01 00:30:00,7\n")
    (folder / LABELS).write_text(json.dumps({TAXI: WINDOWS, MACHINE: []}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_DATASETS", str(tmp_path))
    return folder


def test_a_series_and_its_windows(benchmark):
    source = Nab()
    source.fetch()
    raw = source.read(MemoryStore(), None)
    assert raw.arrays["value"].tolist() == [5, 7]
    assert raw.description.columns["timestamp"].values == ("2014-07-01 00:00:00", "2014-07-01 00:30:00")
    assert source.anomalies() == tuple(map(tuple, WINDOWS))
    outline, target = source.outline()
    assert (list(outline), target) == (["timestamp", "value"], "value")


def test_files_without_labels_and_elsewhere(benchmark, tmp_path):
    assert Nab(path="realTweets/a.csv").anomalies() is None
    elsewhere = tmp_path / "mine.csv"
    elsewhere.write_text("timestamp,value\n2014-07-01 00:00:00,1\n")
    source = Nab(path=str(elsewhere))
    source.fetch()
    assert source.read(MemoryStore(), None).arrays["value"].tolist() == [1]
    assert source.anomalies() is None
    assert Nab(path=str(benchmark / TAXI)).anomalies() == tuple(map(tuple, WINDOWS))


def test_what_is_missing_or_damaged(benchmark):
    with pytest.raises(DataError, match=r"there is no realTweets/b\.csv"):
        Nab(path="realTweets/b.csv").stamp()
    with pytest.raises(DataError, match="the data set 'nab' is not there"):
        Nab(path=MACHINE).stamp()
    (benchmark / LABELS).write_text("{")
    with pytest.raises(DataError, match="can't read the labels"):
        Nab().anomalies()


def test_missing_files_are_fetched_one_by_one(benchmark, monkeypatch):
    asked = []
    monkeypatch.setattr("dlrun.data.sources.nab.download", lambda files, folder: asked.append((files[0], folder)))
    Nab(path=MACHINE).fetch()
    assert [f"{folder.as_posix()}/{file.name}" for file, folder in asked] == [
        f"datasets/nab/{MACHINE}", f"datasets/nab/{LABELS}",
    ]  # fmt: skip
    assert asked[0][0].urls[0].endswith(f"/data/{MACHINE}")
