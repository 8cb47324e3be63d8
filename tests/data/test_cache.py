"""What is kept is used, what is damaged is made anew, and what can't be written does no harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dlrun.data import cache
from dlrun.data.load import load, probe
from dlrun.data.sources.mnist import Mnist
from dlrun.errors import DataError
from tests.data.making import data_config, write_mnist


@pytest.fixture
def config(own_place: Path):
    write_mnist(own_place / "datasets/mnist")
    return data_config(source="mnist", split={"validation": 0.1})


def entries(place: Path, kind: str = "") -> list[Path]:
    return sorted((place / "cache/data").glob(f"{kind}*-*"))


def arrays_of(dataset) -> list[np.ndarray]:
    return [array for split in dataset.splits.values() for array in (*split.inputs.values(), *split.targets.values())]


def assert_same(first, second) -> None:
    assert first.fingerprint == second.fingerprint
    assert first.signature == second.signature
    for left, right in zip(arrays_of(first), arrays_of(second), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_second_start_reads_no_source(config, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(config, 0)
    monkeypatch.setattr(Mnist, "read", lambda *_: pytest.fail("the source was read again"))
    monkeypatch.setattr(Mnist, "probe", lambda *_: pytest.fail("the source was looked at again"))
    assert_same(first, load(config, 0))
    assert probe(config, 0) == first.signature


def test_another_split_decodes_nothing_again(config, monkeypatch: pytest.MonkeyPatch) -> None:
    load(config, 0)
    monkeypatch.setattr(Mnist, "read", lambda *_: pytest.fail("the source was read again"))
    assert load(config, 1).splits["validation"].rows == 10


def test_changed_files_are_read_again(config, own_place: Path) -> None:
    first = load(config, 0)
    write_mnist(own_place / "datasets/mnist", train=90)
    second = load(config, 0)
    assert second.splits["train"].rows == 81
    assert first.fingerprint != second.fingerprint


def test_memory_writes_nothing(config, own_place: Path) -> None:
    assert_same(load(config, 0), load(config.model_copy(update={"cache": "memory"}), 0))
    for entry in entries(own_place):
        cache.remove(*entry.name.split("-", 1))
    load(config.model_copy(update={"cache": "memory"}), 0)
    assert not entries(own_place)


def _cut(entry: Path) -> None:
    largest = max(entry.glob("*.npy"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-100])


def _zeroed(entry: Path) -> None:
    largest = max(entry.glob("*.npy"), key=lambda path: path.stat().st_size)
    size = largest.stat().st_size
    with largest.open("r+b") as file:
        file.seek(size // 4)
        file.write(bytes(size // 2))


def _header(entry: Path) -> None:
    path = entry / "0.npy"
    path.write_bytes(b"garbage" + path.read_bytes()[7:])


def _gone(entry: Path) -> None:
    (entry / "1.npy").unlink()


def _meta_cut(entry: Path) -> None:
    meta = entry / "meta.json"
    meta.write_bytes(meta.read_bytes()[:-20])


def _meta_changed(entry: Path) -> None:
    meta = json.loads((entry / "meta.json").read_text())
    meta["body"]["content"]["fingerprint"] = "0" * 64
    meta["body"]["content"]["hashes"] = {}
    (entry / "meta.json").write_text(json.dumps(meta))


def _meta_gone(entry: Path) -> None:
    (entry / "meta.json").unlink()


@pytest.mark.parametrize("kind", ["prepared", "decoded"])
@pytest.mark.parametrize("damage", [_cut, _zeroed, _header, _gone, _meta_cut, _meta_changed, _meta_gone])
def test_a_damaged_entry_is_made_anew(config, own_place: Path, kind: str, damage) -> None:
    expected = load(config.model_copy(update={"cache": "memory"}), 0)
    load(config, 0)
    (entry,) = entries(own_place, kind)
    if kind == "decoded":
        cache.remove(*entries(own_place, "prepared")[0].name.split("-", 1))
    damage(entry)
    assert_same(expected, load(config, 0))
    assert cache.open_entry(*entry.name.split("-", 1)) is not None


def test_a_writer_that_dies_leaves_no_entry(own_place: Path) -> None:
    writer = cache.Writer("kind", "key")
    writer.array("x", (10,), "float32")[:] = 1
    assert cache.open_entry("kind", "key") is None
    old = time.time() - 2 * cache.STALE
    os.utime(writer.place, (old, old))
    cache.Writer("kind", "other").discard()
    assert not writer.place.exists()


def test_threads_at_once_agree(config) -> None:
    results = []
    threads = [threading.Thread(target=lambda: results.append(load(config, 0))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results[1:]:
        assert_same(results[0], result)


def test_processes_at_once_agree(config, own_place: Path) -> None:
    code = (
        "from dlrun.data.config import DataConfig; from dlrun.data.load import load;"
        "d = load(DataConfig.model_validate({'source': 'mnist', 'split': {'validation': 0.1}}), 0);"
        "print(d.fingerprint, int(d.splits['train'].inputs['image'].sum()))"
    )
    root = str(Path(cache.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=own_place, env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in running]
    assert outputs[0].startswith(load(config, 0).fingerprint)
    assert len(set(outputs)) == 1
    assert not list((own_place / "cache/data").glob(".new-*"))


def test_a_cache_that_cannot_be_written(config, own_place: Path) -> None:
    (own_place / "cache").write_text("a file where the folder should be")
    dataset = load(config, 0)
    assert dataset.splits["train"].rows == 90
    assert "can't be written" in dataset.notes[-1]
    with pytest.raises(DataError, match="cache folder"):
        load(config.model_copy(update={"cache": "disk"}), 0)


def test_a_full_disk_is_an_error_not_a_crash(config, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dlrun.data.cache._reserve", full)
    assert "No space left" in load(config, 0).notes[-1]
    with pytest.raises(DataError, match="No space left"):
        load(config.model_copy(update={"cache": "disk"}), 0)


def test_prune_removes_what_was_not_used_for_longest(own_place: Path) -> None:
    for index in range(4):
        writer = cache.Writer("kind", str(index))
        writer.array("x", (1000,), "uint8")[:] = index
        writer.commit({})
        used = time.time() - (index + 1) * 2 * cache.RECENT
        os.utime(own_place / "cache/data" / f"kind-{index}", (used, used))
    cache.prune(own_place / "cache/data", limit=3500)
    assert [entry.name for entry in entries(own_place)] == ["kind-0", "kind-1"]


def test_a_warm_start_imports_no_data_library(config, own_place: Path) -> None:
    load(config, 0)
    code = (
        "import sys; from dlrun.data.config import DataConfig; from dlrun.data.load import load;"
        "load(DataConfig.model_validate({'source': 'mnist', 'split': {'validation': 0.1}}), 0);"
        "print([name for name in ('polars', 'PIL', 'sklearn', 'mlxtend', 'numba') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(cache.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=own_place, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr
