"""Locks of an output folder, which the system drops when their process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from scanseg.errors import ConfigError

__all__ = ["LOCK", "InUse", "Lock", "lock_folder"]

log = logging.getLogger("scanseg.runs")

LOCK = ".scanseg-lock"
# Windows locks ranges of bytes, and knows no shared locks of them: a whole run locks all of these,
# and every part of a run one that is free.
N_SLOTS = 4096
# What Windows says of bytes that another process has.
TAKEN = {errno.EACCES, errno.EDEADLK, errno.EAGAIN}


class InUse(ConfigError):
    """Another run is writing to the folder."""


class Lock(Protocol):
    """A lock that is held."""

    def release(self) -> None:
        """Drop it, and remove its file unless another run still has it."""
        ...


def lock_folder(folder: Path, part: str) -> list[Lock]:
    """Locks of a run: parts share the folder, and none of them runs twice.

    Parameters
    ----------
    folder
        Where its results go.
    part
        Label of the part; empty for a whole run, which has the folder for itself.

    Raises
    ------
    InUse
        When another run holds one of them.
    """
    locks = [_take(folder / LOCK, shared=bool(part))]
    if part:
        try:
            locks.append(_take(folder / f"{LOCK}.{part}"))
        except InUse:
            locks[0].release()
            raise
    return locks


def _take(path: Path, *, shared: bool = False) -> Lock:
    try:
        return _FileLock(path, import_module("fcntl"), shared=shared)
    except ImportError:
        return _RangeLock(path, import_module("msvcrt"), shared=shared)


class _FileLock:
    """A lock of Linux and macOS.

    Some network file systems know none: there two runs are told apart by the user, who is told so.
    """

    def __init__(self, path: Path, fcntl: Any, *, shared: bool) -> None:
        self._path, self._fcntl = path, fcntl
        self._file = path.open("a", encoding="utf-8")
        self._is_lock = True
        while not self._taken(shared=shared):
            # Its owner has removed it between opening and locking: that file is nobody's lock.
            self._file.close()
            self._file = path.open("a", encoding="utf-8")
        if not self._is_lock:
            _warn(path)

    def _taken(self, *, shared: bool) -> bool:
        fcntl = self._fcntl
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise _in_use(self._path) from None
        except OSError:
            self._is_lock = False
            return True
        return self._path.exists() and os.path.samestat(
            self._path.stat(), os.fstat(self._file.fileno())
        )

    def release(self) -> None:
        """See ``Lock``."""
        try:
            if self._taken(shared=False):
                self._path.unlink(missing_ok=True)
        except InUse:
            return
        self._file.close()


class _RangeLock:
    """A lock of Windows: bytes of a file, which need not be there."""

    def __init__(self, path: Path, msvcrt: Any, *, shared: bool) -> None:
        self._path, self._msvcrt = path, msvcrt
        self._start, self._length = 0, N_SLOTS
        self._is_lock = True
        self._file = path.open("a", encoding="utf-8")
        if not shared:
            taken = self._change(msvcrt.LK_NBLCK)
        else:
            self._length = 1
            taken = any(self._change(msvcrt.LK_NBLCK, slot) for slot in range(N_SLOTS))
        if not taken:
            self._file.close()
            raise _in_use(path)
        if not self._is_lock:
            _warn(path)

    def _change(self, mode: int, start: int = 0) -> bool:
        """Lock or unlock the bytes from a place on; False where another run has one of them."""
        self._start = start
        descriptor = self._file.fileno()
        os.lseek(descriptor, start, os.SEEK_SET)
        try:
            self._msvcrt.locking(descriptor, mode, self._length)
        except OSError as error:
            self._is_lock = error.errno in TAKEN  # else a share without locks
            return not self._is_lock
        return True

    def release(self) -> None:
        """See ``Lock``; Windows removes no file that another run has open."""
        self._change(self._msvcrt.LK_UNLCK, self._start)
        self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


def _warn(path: Path) -> None:
    log.warning(
        "The file system of %s knows no locks, so two runs into it at once would go unnoticed.",
        path.parent,
    )


def _in_use(path: Path) -> InUse:
    return InUse(
        f"Another run is writing to {path.parent}.",
        hint="Wait until it has finished, or name another folder with -o.",
    )
