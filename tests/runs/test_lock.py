"""Locks of an output folder: a whole run alone, parts beside each other, on every system."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scanseg.runs.lock import LOCK, InUse, lock_folder


class Ranges:
    """Locks of bytes as Windows has them: exclusive, by file and descriptor, beyond its end too."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self):
        self.held = []  # (file, descriptor, first byte, byte behind the last)

    def locking(self, descriptor, mode, n_bytes):
        file, start = os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
        wanted = (file, descriptor, start, start + n_bytes)
        if mode == self.LK_UNLCK:
            self.held.remove(wanted)  # exactly what was locked, or it is an error
        elif any(other[0] == file and other[2] < wanted[3] and start < other[3]
                 for other in self.held):  # fmt: skip
            raise PermissionError(errno.EACCES, "Permission denied")
        else:
            self.held.append(wanted)

    def unlink(self, path):
        """Remove a file, as Windows does: not while another has it open."""
        if any(other[0] == path.stat().st_ino for other in self.held):
            raise PermissionError(errno.EACCES, "The file is being used by another process")
        os.unlink(path)


@pytest.fixture(params=["own", "windows", "share without locks"])
def system(request, monkeypatch):
    """Locks of this system, of Windows, and of a share of Windows that has none."""
    if request.param != "own":
        ranges = Ranges()
        if request.param == "share without locks":
            ranges = SimpleNamespace(LK_NBLCK=2, LK_UNLCK=0, locking=_no_locks)
        else:
            monkeypatch.setattr(Path, "unlink", lambda path, **_: ranges.unlink(path))
        monkeypatch.setitem(sys.modules, "fcntl", None)
        monkeypatch.setitem(sys.modules, "msvcrt", ranges)
    return request.param


def _no_locks(descriptor, mode, n_bytes):
    raise OSError(errno.EINVAL, "Invalid argument")


def released(locks):
    while locks:
        locks.pop().release()


def test_a_whole_run_has_the_folder_for_itself(system, tmp_path, caplog):
    whole = lock_folder(tmp_path, "")
    if system == "share without locks":
        assert f"The file system of {tmp_path} knows no locks" in caplog.text
        released(lock_folder(tmp_path, "") + whole)  # nothing can be told there
        return
    assert not caplog.text
    for part in ("", "1-of-2"):
        with pytest.raises(InUse, match="Another run"):
            lock_folder(tmp_path, part)
    released(whole)
    assert not list(tmp_path.iterdir())
    released(lock_folder(tmp_path, "1-of-2"))


def test_parts_run_beside_each_other_and_none_twice(system, tmp_path):
    first, second = lock_folder(tmp_path, "1-of-2"), lock_folder(tmp_path, "2-of-2")
    if system != "share without locks":
        for part in ("", "1-of-2"):
            with pytest.raises(InUse):
                lock_folder(tmp_path, part)
        released(first)
        with pytest.raises(InUse):
            lock_folder(tmp_path, "")
        # What was refused holds nothing: the part can start again.
        first = lock_folder(tmp_path, "1-of-2")
    released(first)
    released(second)
    released(lock_folder(tmp_path, ""))
    assert not list(tmp_path.iterdir())


def test_a_lock_left_by_a_dead_process_is_free(tmp_path):
    (tmp_path / LOCK).touch()
    released(lock_folder(tmp_path, ""))
    assert not list(tmp_path.iterdir())
