"""Arrays in files: their contents stay, their memory is given back, nothing is left behind."""

import sys
from pathlib import Path

import numpy as np
import pytest

from scanseg import mapped


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(mapped, "LARGE_BYTES", 1000)


def test_small_arrays_lie_in_memory_and_large_ones_in_a_file(small_limit, tmp_path):
    assert not mapped.is_mapped(mapped.empty((9, 10), np.float64, folder=tmp_path))
    large = mapped.empty((3, 40, 50), np.uint8, folder=tmp_path)
    assert mapped.is_mapped(large)
    assert mapped.is_mapped(large[1, 2:, ::3].T)
    assert (large.shape, large.dtype) == ((3, 40, 50), np.uint8)


def test_what_is_let_go_comes_back(small_limit, tmp_path):
    large = mapped.empty((40, 50), np.uint16, folder=tmp_path)
    truth = np.arange(2000, dtype=np.uint16).reshape(40, 50)
    large[:] = truth
    mapped.let_go(large)
    large[3, 4] = 9
    mapped.let_go(large[5:])
    truth[3, 4] = 9
    np.testing.assert_array_equal(large, truth)


def test_a_file_has_no_name_and_a_missing_folder_is_no_reason_to_fail(small_limit, tmp_path):
    kept = mapped.empty((2000,), np.uint8, folder=tmp_path)
    if sys.platform != "win32":
        assert list(tmp_path.iterdir()) == []
    kept[:] = 7
    other = mapped.empty((2000,), np.uint8, folder=tmp_path / "not there")
    assert mapped.is_mapped(other)
    assert not (tmp_path / "not there").exists()


def test_letting_go_of_an_array_in_memory_does_nothing():
    array = np.arange(6)
    mapped.let_go(array)
    assert array.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux for its memory")
def test_memory_is_given_back(small_limit, tmp_path):
    large = mapped.empty((64, 2**20), np.uint8, folder=tmp_path)
    before = resident_bytes()
    large[:] = 1
    filled = resident_bytes()
    mapped.let_go(large)
    # 67 MB; other threads of a test run may take a few in between.
    assert filled - before > 50e6
    assert resident_bytes() - before < 15e6
    assert large[63, 17] == 1


@pytest.mark.parametrize("n_rows", [5, 300, 512])
def test_a_copy_of_a_part_is_in_memory(small_limit, tmp_path, n_rows):
    large = mapped.empty((600, 40), np.uint16, folder=tmp_path)
    large[:] = np.arange(24_000).reshape(600, 40)
    part = large[7 : 7 + n_rows, 3:31]
    copy = mapped.copied(part, np.float32)
    assert not mapped.is_mapped(copy)
    assert copy.dtype == np.float32
    np.testing.assert_array_equal(copy, part)
    np.testing.assert_array_equal(mapped.copied(np.arange(4), np.float32), np.arange(4))


@pytest.mark.parametrize("step", [1, 7, 300])
def test_thinned_is_every_so_many_th_row_and_column(small_limit, tmp_path, step):
    large = mapped.empty((251, 47), np.uint16, folder=tmp_path)
    large[:] = np.arange(251 * 47).reshape(251, 47)
    few = mapped.thinned(large, step)
    assert not mapped.is_mapped(few)
    np.testing.assert_array_equal(few, large[::step, ::step])
    np.testing.assert_array_equal(mapped.thinned(np.array(large), step), few)
