"""Threads that read ahead and write behind, so that the network never waits for a disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

__all__ = ["MemoryBudget", "WriteBehind", "read_ahead"]

Item = TypeVar("Item")

# A thread that waits looks this often whether the run ends.
POLL_S = 0.2


class MemoryBudget:
    """Bytes of images that may be in flight; one image larger than all of it still passes, alone.

    Parameters
    ----------
    n_bytes
        The budget.
    """

    def __init__(self, n_bytes: int) -> None:
        self._limit = n_bytes
        self._used = 0
        self._changed = threading.Condition()
        self._closed = False

    def acquire(self, n_bytes: int) -> None:
        """Wait until there is room."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._used == 0 or self._used + n_bytes <= self._limit
            )
            self._used += n_bytes

    def add(self, n_bytes: int) -> None:
        """Count what turned out to be larger than thought, without waiting."""
        with self._changed:
            self._used += n_bytes

    def release(self, n_bytes: int) -> None:
        """Give room back."""
        with self._changed:
            self._used -= n_bytes
            self._changed.notify_all()

    def close(self) -> None:
        """Let everybody pass: the run ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def read_ahead(
    items: Iterable[Item], *, depth: int, ends: threading.Event | None = None
) -> Generator[Item | None]:
    """Iterate in a thread, up to ``depth`` items ahead, until ``ends`` is set.

    None comes while the next item is not ready: the thread may be waiting for memory that only the
    caller can free.

    Closing the iterator stops the thread after the item it is working on. An error of the thread
    is raised where its item would have come.

    Examples
    --------
    >>> [item for item in read_ahead(range(3), depth=2) if item is not None]
    [0, 1, 2]
    """
    ready: queue.Queue[tuple[bool, Item | BaseException | None]] = queue.Queue(depth)
    stop = threading.Event()
    ends = ends or threading.Event()

    def work() -> None:
        try:
            for item in items:
                if not _put(ready, (True, item), stop):
                    return
            _put(ready, (False, None), stop)
        except BaseException as error:
            _put(ready, (False, error), stop)

    thread = threading.Thread(target=work, name="scanseg-read", daemon=True)
    thread.start()
    try:
        while not ends.is_set():
            try:
                more, item = ready.get(timeout=POLL_S)
            except queue.Empty:
                yield None
                continue
            if isinstance(item, BaseException):
                raise item
            if not more:
                return
            yield item
    finally:
        stop.set()


def _put(ready: queue.Queue[Item], item: Item, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            ready.put(item, timeout=POLL_S)
            return True
        except queue.Full:
            continue
    return False


class WriteBehind(Generic[Item]):
    """Hands items to a function in a thread, in order, a few at most waiting.

    Parameters
    ----------
    write
        Takes an item. An error ends the thread and is raised at the next ``put`` or at ``close``.
    depth
        How many items may wait.
    """

    def __init__(self, write: Callable[[Item], None], *, depth: int) -> None:
        self._write = write
        self._waiting: queue.Queue[Item | None] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="scanseg-write", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over an item; waits while too many wait."""
        while self._error is None:
            try:
                self._waiting.put(item, timeout=POLL_S)
                return
            except queue.Full:
                continue
        raise self._error

    def close(self) -> None:
        """Wait until all is written."""
        while self._error is None and self._thread.is_alive():
            try:
                self._waiting.put(None, timeout=POLL_S)
                break
            except queue.Full:
                continue
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            try:
                self._write(item)
            except BaseException as error:
                self._error = error
                return
