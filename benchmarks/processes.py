"""What a program takes in a process of its own, and how much memory this process holds."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Cost", "memory_bytes", "wait_for"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took from start to exit, as the operating system tells.

    Parameters
    ----------
    wall_s, cpu_s
        Time that passed, and processor time of all its threads and children.
    peak_bytes
        Most resident memory, mapped files included. It begins with that of the process that started
        this one, so a small program started by a large one seems as large.
    exit_code
        How it ended.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    exit_code: int


def wait_for(process: subprocess.Popen[Any], started_s: float) -> Cost:
    """Wait for the end of a process.

    Parameters
    ----------
    process
        Nothing else may wait for it.
    started_s
        ``time.perf_counter()`` when it was started.
    """
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started_s
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu_s = usage.ru_utime + usage.ru_stime
    return Cost(wall_s, cpu_s, usage.ru_maxrss * 1024, process.returncode)  # Linux tells KiB


def memory_bytes(entry: str) -> int:
    """Memory of this process: ``VmRSS`` now, ``VmHWM`` at most since the last reset.

    ``getrusage`` would pass on the peak of the process that started this one.
    """
    text = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in text.splitlines() if line.startswith(entry))
    return int(line.split()[1]) * 1024
