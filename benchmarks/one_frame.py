"""One frame of a long stack: seconds and memory, in a process of its own.

    python benchmarks/one_frame.py [--frames 300] [--side 1024]

Writes stacks of 16-bit counts (600 MB each) to build/, TIFF with zlib pages, plain ImageJ TIFF and
MRC, opens each and reads three frames.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from processes import memory_bytes

FOLDER = Path(__file__).parents[1] / "build" / "one_frame"
GOAL_S, GOAL_MB = 0.1, 150


def frames(n: int, side: int) -> Iterator[np.ndarray]:
    """Poisson counts, the same at another place in every frame."""
    counts = np.random.default_rng(0).poisson(200, (side, side)).astype(np.uint16)
    return (np.roll(counts, index, axis=0) for index in range(n))


def write_zlib(path: Path, n: int, side: int) -> None:
    """Pages compressed one by one."""
    import tifffile

    options = {"compression": "zlib", "compressionargs": {"level": 1}}
    with tifffile.TiffWriter(path) as tif:
        tif.write(
            frames(n, side), shape=(n, side, side), dtype="u2", photometric="minisblack", **options
        )


def write_imagej(path: Path, n: int, side: int) -> None:
    """Pixels in one block, described by ImageJ."""
    import tifffile

    stack = tifffile.memmap(path, shape=(n, side, side), dtype=np.uint16, imagej=True)
    for index, frame in enumerate(frames(n, side)):
        stack[index] = frame
    stack.flush()


def write_mrc(path: Path, n: int, side: int) -> None:
    """A header of 1024 bytes and the pixels."""
    header = np.zeros(256, "<i4")
    header[:4] = (side, side, n, 6)
    header[7:10] = (side, side, n)
    header[10:13] = np.array([side, side, n], "<f4").view("<i4")
    header[16:19] = (1, 2, 3)
    header[52] = int.from_bytes(b"MAP ", "little")
    header[53] = int.from_bytes(b"DD\0\0", "little")
    with path.open("wb") as file:
        file.write(header.tobytes())
        for frame in frames(n, side):
            file.write(frame.tobytes())


WRITERS: dict[str, Callable[[Path, int, int], None]] = {
    "zlib.tif": write_zlib,
    "imagej.tif": write_imagej,
    "stack.mrc": write_mrc,
}


def measure(path: Path) -> None:
    """Print seconds of opening, of the slowest of three frames, and the peak of memory."""
    from scanseg.readers import read

    before_bytes = memory_bytes("VmHWM")
    start = time.perf_counter()
    stack = read(path)
    opened_s = time.perf_counter() - start
    slowest_s = 0.0
    for index in (stack.n_frames // 2, stack.n_frames - 1, 0):
        start = time.perf_counter()
        stack.frame(index)
        slowest_s = max(slowest_s, time.perf_counter() - start)
    print(
        f"{path.name:12} open {opened_s:.3f} s, frame {slowest_s:.3f} s (goal {GOAL_S}), "
        f"peak {memory_bytes('VmHWM') / 2**20:.0f} MB (goal {GOAL_MB}; {before_bytes / 2**20:.0f} "
        "before the file is opened)"
    )


def main() -> None:
    """Write the stacks and measure each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, write in WRITERS.items():
        path = FOLDER / name
        write(path, arguments.frames, arguments.side)
        subprocess.run([sys.executable, __file__, "--measure", str(path)], check=True)
        path.unlink()


if __name__ == "__main__":
    main()
