"""Threads that read ahead and write behind."""

from __future__ import annotations

import threading
import time

import pytest

from scanseg.runs.pipeline import MemoryBudget, WriteBehind, read_ahead


def test_reading_goes_on_while_the_reader_is_busy():
    started = []

    def items():
        for index in range(6):
            started.append(index)
            yield index

    ahead = read_ahead(items(), depth=2)
    items_only = (item for item in ahead if item is not None)  # None on a slow machine
    assert next(items_only) == 0
    deadline = time.monotonic() + 5
    # Two wait in the queue, and one more is in the hand of the thread.
    while len(started) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert started == [0, 1, 2, 3]
    assert list(items_only) == [1, 2, 3, 4, 5]


def test_an_error_of_the_reading_thread_is_raised_in_its_place():
    def items():
        yield 1
        raise ValueError("broken")

    ahead = read_ahead(items(), depth=2)
    items_only = (item for item in ahead if item is not None)
    assert next(items_only) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items_only)


def test_closing_ends_the_reading_thread():
    ended = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            ended.set()

    ahead = read_ahead(source := items(), depth=1)
    next(ahead)
    ahead.close()
    deadline = time.monotonic() + 5
    while any(t.name == "scanseg-read" for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    source.close()
    assert ended.is_set()


def test_writing_keeps_the_order_and_raises_what_went_wrong():
    written = []
    writing = WriteBehind(written.append, depth=1)
    for index in range(5):
        writing.put(index)
    writing.close()
    assert written == [0, 1, 2, 3, 4]

    def refuse(item):
        raise OSError("no room")

    writing = WriteBehind(refuse, depth=1)
    writing.put(1)
    with pytest.raises(OSError, match="no room"):
        writing.close()


def test_the_budget_lets_a_large_image_pass_alone():
    budget = MemoryBudget(100)
    budget.acquire(500)  # nothing else is in flight
    passed = threading.Event()

    def small():
        budget.acquire(10)
        passed.set()

    thread = threading.Thread(target=small, daemon=True)
    thread.start()
    assert not passed.wait(0.05)
    budget.release(500)
    assert passed.wait(5)
    thread.join()
