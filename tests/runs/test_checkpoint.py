import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save

from dlrun.errors import CheckpointError, RunError
from dlrun.runs import files
from dlrun.runs.checkpoint import DTYPES, hash_tensors, load_checkpoint, load_tensors, save_checkpoint

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
METADATA = {"config": "name: x\nseed: 0\n", "step": 12, "plateau": {"best": 0.25, "wait": 1}, "notes": ["ä"]}


def tensors():
    random = np.random.default_rng(0)
    return {
        "dense/w": random.normal(size=(5, 3)).astype(np.float32),
        "dense/b": random.normal(size=3),
        "step": np.array(12, np.int64),
        "mask": np.array([1, 0, 255], np.uint8),
        "empty": np.zeros((0, 4), np.float32),
    }


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, tensors(), METADATA)
    return path


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_reads_back_what_it_wrote(saved):
    checkpoint = load_checkpoint(saved)
    assert_same(checkpoint.tensors, tensors())
    assert checkpoint.metadata == METADATA
    assert os.listdir(saved.parent) == [saved.name]


@FEW
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0))),
        max_size=4,
    )
)
def test_reads_back_any_arrays(tmp_path, arrays):
    path = tmp_path / "any.safetensors"
    hash_written = save_checkpoint(path, arrays, {"step": 1})
    checkpoint = load_checkpoint(path)
    assert_same(checkpoint.tensors, arrays)
    assert checkpoint.content_hash == hash_written


def test_stores_views_and_foreign_byte_orders_by_value(tmp_path):
    path = tmp_path / "a.safetensors"
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    save_checkpoint(path, {"t": matrix.T, "big": matrix.astype(">f4")}, {})
    found = load_checkpoint(path).tensors
    np.testing.assert_array_equal(found["t"], matrix.T)
    np.testing.assert_array_equal(found["big"], matrix)


def test_hash_depends_on_name_dtype_shape_and_bytes():
    array = np.zeros((2, 3), np.float32)
    variants = [
        {"a": array},
        {"b": array},
        {"a": array.reshape(3, 2)},
        {"a": array.view(np.int32)},
        {"a": array + 1},
        {"a": -array},
        {},
    ]
    assert len({hash_tensors(variant) for variant in variants}) == len(variants)
    assert hash_tensors({"a": array, "b": array + 1}) == hash_tensors({"b": array + 1, "a": array.copy(order="F")})


def test_every_truncation_is_refused(saved, tmp_path):
    content = saved.read_bytes()
    header = int.from_bytes(content[:8], "little")
    cut = tmp_path / "cut.safetensors"
    for length in [0, 1, 7, 8, 9, 8 + header // 2, 8 + header - 1, 8 + header, 8 + header + 1, len(content) - 1]:
        cut.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="is empty" if length == 0 else "is truncated"):
            load_checkpoint(cut)


def test_appended_bytes_are_refused(saved):
    saved.write_bytes(saved.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(saved)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_is_refused_or_harmless(saved, data):
    content = bytearray(saved.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path = saved.with_name("flipped.safetensors")
    path.write_bytes(content)
    try:
        checkpoint = load_checkpoint(path)
    except CheckpointError:
        return
    assert_same(checkpoint.tensors, tensors())  # a space of the header's padding became another kind of space
    assert checkpoint.metadata == METADATA


@FEW
@given(st.binary(min_size=1, max_size=200))
def test_random_bytes_are_refused(tmp_path, content):
    path = tmp_path / "random.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_a_changed_weight_or_step_is_refused(saved):
    content = saved.read_bytes()
    saved.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="doesn't have the hash"):
        load_checkpoint(saved)
    saved.write_bytes(content.replace(b'"step":"12"', b'"step":"13"'))
    with pytest.raises(CheckpointError, match="doesn't have the hash"):
        load_checkpoint(saved)


def test_foreign_safetensors_are_no_checkpoint_but_have_tensors(tmp_path):
    path = tmp_path / "foreign.safetensors"
    weights = {"w": np.ones((2, 2), np.float32)}
    for metadata in (None, {}, {"format": "pt"}):
        path.write_bytes(save(weights, metadata))
        with pytest.raises(CheckpointError, match="not a checkpoint of dlrun"):
            load_checkpoint(path)
        assert_same(load_tensors(path), weights)


def test_tensors_of_a_checkpoint_are_checked_too(saved):
    assert_same(load_tensors(saved), tensors())
    content = saved.read_bytes()
    saved.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="doesn't have the hash"):
        load_tensors(saved)


@pytest.mark.parametrize("version", ["2", "", "x"])
def test_other_versions_are_refused(tmp_path, version):
    path = tmp_path / "new.safetensors"
    path.write_bytes(save({"w": np.ones(2)}, {"dlrun_checkpoint": version, "sha256": "0"}))
    with pytest.raises(CheckpointError, match="reads format 1") as caught:
        load_checkpoint(path)
    assert "version of dlrun" in (caught.value.help or "")


def test_a_missing_hash_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"w": np.ones(2)}, {"dlrun_checkpoint": "1"}))
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


def test_number_formats_that_dlrun_lacks_are_named(tmp_path):
    path = tmp_path / "half.safetensors"
    path.write_bytes(save({"w": np.ones(2, np.float16)}))
    with pytest.raises(CheckpointError, match="'w' in a number format that dlrun doesn't use: float16"):
        load_tensors(path)
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CheckpointError, match=r"number format that dlrun doesn't use: .*bfloat16"):
        load_tensors(path)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"PK\x03\x04", "zip archive"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"name: x\nseed: 0", "not a"),
    ],
)
def test_other_files_are_named(tmp_path, head, words):
    path = tmp_path / "other.safetensors"
    path.write_bytes(head + bytes(100))
    with pytest.raises(CheckpointError, match=f"is not a safetensors file.*{words}|{words} safetensors file"):
        load_checkpoint(path)


def test_directories_and_missing_files_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="is a directory, not a checkpoint"):
        load_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_what_a_checkpoint_cannot_hold_is_a_bug_and_leaves_the_old_one(saved):
    with pytest.raises(TypeError, match="'words'"):
        save_checkpoint(saved, {"words": np.array(["a"])}, {})
    with pytest.raises(TypeError, match="JSON"):
        save_checkpoint(saved, {}, {"step": object()})
    with pytest.raises(ValueError, match="sha256"):
        save_checkpoint(saved, {}, {"sha256": "x"})
    assert load_checkpoint(saved).metadata == METADATA


def test_a_failed_write_leaves_the_old_one(saved, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(RunError, match="No space left"):
        save_checkpoint(saved, {"w": np.zeros(9)}, {"step": 13})
    assert load_checkpoint(saved).metadata == METADATA
    assert os.listdir(saved.parent) == [saved.name]


def test_a_kill_while_writing_leaves_the_old_one(saved):
    code = (
        "import os, sys, numpy\nfrom pathlib import Path\nfrom dlrun.runs import files\n"
        "from dlrun.runs.checkpoint import save_checkpoint\n"
        "files.os.fsync = lambda *_: os._exit(9)\n"
        "save_checkpoint(Path(sys.argv[1]), {'w': numpy.zeros(1000)}, {'step': 13})\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(saved)], check=False).returncode == 9
    assert load_checkpoint(saved).metadata == METADATA
    assert len(os.listdir(saved.parent)) == 2
    files.remove_leftovers(saved.parent)
    assert os.listdir(saved.parent) == [saved.name]
