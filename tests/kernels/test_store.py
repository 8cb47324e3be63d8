"""The store of compiled kernels: whole or made anew, shared between processes, without Numba when warm."""

import subprocess
import sys

import pytest

from dlrun.kernels import compiling, math, store, winograd
from dlrun.kernels.convolution import conv_pack
from dlrun.kernels.elementwise import accumulate, check_losses, copy
from dlrun.kernels.gather import collect, gather_labels
from dlrun.kernels.lang import Live, kernel
from dlrun.kernels.target import host_target
from tests.support.object_files import ELF, symbols

SMALL = [accumulate, check_losses, copy, collect, gather_labels]


@kernel
def nothing(rows: Live) -> None:
    """Do nothing: a kernel that no other process can import."""


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "_loaded", {})
    return tmp_path / "kernels"


def test_a_kernel_is_compiled_by_the_process_that_claims_it_first(empty, monkeypatch):
    monkeypatch.setattr(compiling, "available_cores", lambda: 1)
    with compiling.compiling([*SMALL, nothing], "float32") as workers:
        mine = workers.mine()
        assert next(mine) is nothing, "what only this process can import, it compiles itself"
        assert compiling.claim(workers.claims, "dlrun.kernels.elementwise:copy")
        assert {*mine} == {*SMALL} - {copy}
        assert workers.done() == 0
    assert not workers.claims.exists()


def test_without_a_folder_for_claims_one_process_compiles_all(empty, monkeypatch):
    monkeypatch.setattr(compiling, "_claims_folder", lambda: empty / "missing")
    assert all(store.load_kernels([copy, collect], "float32").values())


def test_several_processes_fill_an_empty_store(empty, monkeypatch):
    monkeypatch.setattr(compiling, "available_cores", lambda: 2)
    heard = []
    addresses = store.load_kernels([*SMALL, nothing], "float32", lambda *event: heard.append(event))
    assert all(addresses.values())
    assert len(list(empty.glob("*.o"))) == len(SMALL) + 1
    assert {total for _, _, total in heard} == {len(SMALL) + 1}


def test_a_damaged_file_is_compiled_anew(empty):
    store.load_kernels([copy], "float32")
    (path,) = empty.glob("*.o")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert not store.is_stored(copy, "float32")
    store._loaded.clear()
    store.load_kernels([copy], "float32")
    assert store.is_stored(copy, "float32")


def test_object_code_exports_the_kernel_alone(empty):
    """Object files are linked together, and Numba may have called two helpers of two processes the same."""
    target = host_target("float32")
    many = [*SMALL, conv_pack]
    assert len(set(store.load_kernels(many, "float32").values())) == len(many)
    for each in many:
        code = store._read(store._path(each, target))
        if not code.startswith(ELF):
            pytest.skip("object files of this system are not understood here")
        exported, _ = symbols(code)
        assert exported == {store._symbol(each, target)}


def test_a_failing_process_costs_nothing_but_time(empty, monkeypatch):
    monkeypatch.setattr(compiling, "available_cores", lambda: 2)
    monkeypatch.setattr(compiling.sys, "executable", "/bin/false")
    assert all(store.load_kernels([*SMALL, nothing], "float32").values())


def test_the_key_covers_what_a_kernel_reaches():
    target = host_target("float32")
    keys = {store.kernel_key(each, target) for each in SMALL}
    assert len(keys) == len(SMALL)
    assert store.kernel_key(copy, host_target("float64")) not in keys


def test_a_primitive_stands_for_the_modules_that_its_own_imports():
    for primitive, module in ((winograd.transform_image, "patches"), (math.exp, "intrinsics")):
        assert f"dlrun.kernels.{module}" in store.modules_behind(primitive.where.split(":")[0])


def test_a_warm_store_needs_no_numba(empty):
    code = (
        "import sys; from dlrun.kernels.store import load_kernels; from dlrun.kernels.elementwise import copy;"
        "load_kernels([copy], 'float32'); sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1, "cold: compiled with Numba"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
