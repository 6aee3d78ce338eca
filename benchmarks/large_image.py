"""Peak memory and time of very large images and of a long movie.

    python benchmarks/large_image.py [--sides 4096 8192 16384 32768] [--frames 10000]
        [--memory 2GB] [--plot cost.png] [--work build/large-image]

A simulated crystal is repeated until it fills an image, or moved from frame to frame until it fills
a movie of 512², written as a TIFF, and processed by ``scanseg predict`` in a process of its own,
whose memory (resident, mapped file included) and processor time the operating system tells. Goals:
2 GB whatever the size, and a cost that is linear in pixels, which the plot shows.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from mosaic import PIECE_PX, crystal, mirrored
from processes import wait_for

FRAME_PX = 512
# The memory of a process is looked at so often.
EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took."""

    kind: str
    megapixels: float
    wall_s: float
    processor_s: float
    peak_gb: float
    quarters_gb: str  # largest seen in each quarter of the time
    exit_code: int


def write_image(path: Path, piece: NDArray[np.uint16], side: int) -> None:
    """A mosaic of the piece."""
    block = mirrored(piece)
    image = tifffile.memmap(path, shape=(side, side), dtype=np.uint16, photometric="minisblack")
    for top in range(0, side, block.shape[0]):
        for left in range(0, side, block.shape[1]):
            target = image[top : top + block.shape[0], left : left + block.shape[1]]
            target[:] = block[: target.shape[0], : target.shape[1]]
    image.flush()


def write_movie(path: Path, piece: NDArray[np.uint16], n_frames: int) -> None:
    """Windows of the piece, each elsewhere."""
    shape = (n_frames, FRAME_PX, FRAME_PX)
    movie = tifffile.memmap(path, shape=shape, dtype=np.uint16, photometric="minisblack")
    room = PIECE_PX - FRAME_PX
    for index in range(n_frames):
        top, left = 7 * index % room, 13 * index % room
        movie[index] = piece[top : top + FRAME_PX, left : left + FRAME_PX]
    movie.flush()


def measure(kind: str, path: Path, megapixels: float, options: list[str], out: Path) -> Measured:
    """Process a file in a process of its own."""
    command = [sys.executable, "-m", "scanseg.cli", "predict", str(path), "--fresh", "--quiet"]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "-o", str(out), *options])
    seen: list[tuple[int, int]] = []
    ended = threading.Event()
    looking = threading.Thread(target=_look, args=(process.pid, seen, ended))
    looking.start()
    cost = wait_for(process, start)
    ended.set()
    looking.join()
    return Measured(
        kind,
        megapixels,
        round(cost.wall_s, 1),
        round(cost.cpu_s, 1),
        round(max(peak for _, peak in seen) / 1e6, 3),
        " ".join(
            f"{max(now for now, _ in part) / 1e6:.3f}"
            for part in (seen[n * len(seen) // 4 : (n + 1) * len(seen) // 4] for n in range(4))
            if part
        ),
        cost.exit_code,
    )


def _look(pid: int, seen: list[tuple[int, int]], ended: threading.Event) -> None:
    """Gather the memory of a process in kB, now and at its highest, as /proc tells it.

    What it tells when a process ends (``ru_maxrss``) begins with the memory of the process that
    started it, and this one has written the image.
    """
    status = Path(f"/proc/{pid}/status")
    while not ended.wait(EVERY_S):
        try:
            lines = status.read_text(encoding="ascii").splitlines()
        except OSError:
            return
        told = dict(line.split(":", 1) for line in lines)
        if "VmHWM" in told:  # a process that has just ended has no memory any more
            seen.append((int(told["VmRSS"].split()[0]), int(told["VmHWM"].split()[0])))


def draw(path: Path, measured: list[Measured]) -> None:
    """Processor time and peak memory over pixels, with the line of a cost linear in them."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for kind, marker in (("image", "o"), ("movie", "s")):
        points = sorted((m for m in measured if m.kind == kind), key=lambda m: m.megapixels)
        if not points:
            continue
        megapixels = np.array([m.megapixels for m in points])
        seconds = np.array([m.processor_s for m in points])
        axes[0].loglog(megapixels, seconds, marker, label=kind)
        # The line goes through the smallest and the largest: what is between tells.
        ends = np.polyfit(megapixels[[0, -1]], seconds[[0, -1]], 1) if len(points) > 1 else (0, 0)
        along = np.geomspace(megapixels[0], megapixels[-1], 50)
        line = f"{ends[1]:.1f} s + {ends[0]:.2g} s a megapixel"
        axes[0].loglog(along, np.polyval(ends, along), "-", lw=0.8, color="0.6", label=line)
        axes[1].semilogx(megapixels, [m.peak_gb for m in points], marker + "-", label=kind)
    axes[0].set(xlabel="megapixels", ylabel="processor time, s")
    axes[1].set(xlabel="megapixels", ylabel="peak memory, GB", ylim=(0, 2.2))
    axes[1].axhline(2.0, color="0.6", lw=0.8)
    for each in axes:
        each.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Write the files, process them, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="*", default=[4096, 8192, 16_384])
    parser.add_argument("--frames", type=int, nargs="*", default=[], help="lengths of movies")
    parser.add_argument("--spacing-px", type=float, default=12.0, help="between columns")
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--plot", type=Path, help="picture of the cost")
    parser.add_argument("--table", type=Path, help="CSV of what was measured, added to")
    parser.add_argument("--work", type=Path, default=Path("build/large-image"))
    parser.add_argument("--model", default="stem-atoms")
    parser.add_argument("--keep", action="store_true", help="keep images and results")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    piece = crystal(arguments.spacing_px)
    options = ["--memory", arguments.memory, "-m", arguments.model]
    tasks: list[tuple[str, int, float, Callable[[Path, NDArray[np.uint16], int], None]]] = []
    tasks += [("image", side, side**2 / 1e6, write_image) for side in arguments.sides]
    tasks += [("movie", n, n * FRAME_PX**2 / 1e6, write_movie) for n in arguments.frames]
    measured = _read_table(arguments.table)
    for kind, size, megapixels, write in tasks:
        path = arguments.work / f"{kind}_{size}_{arguments.spacing_px:g}px.tif"
        if not path.exists():
            write(path, piece, size)
        out = arguments.work / f"{kind}_{size}_out"
        one = measure(kind, path, megapixels, options, out)
        print(f"{kind} of {size}: {one}", flush=True)
        if not arguments.keep:
            path.unlink()
        measured = [*measured, one] if one.exit_code == 0 else measured
        _write_table(arguments.table, measured)
    if arguments.plot:
        draw(arguments.plot, measured)


def _read_table(path: Path | None) -> list[Measured]:
    if path is None or not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Measured(
                row["kind"],
                *(float(row[each.name]) for each in fields(Measured)[1:-2]),
                row["quarters_gb"],
                0,
            )
            for row in csv.DictReader(file)
        ]


def _write_table(path: Path | None, measured: list[Measured]) -> None:
    if path is None:
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [each.name for each in fields(Measured)])
        table.writeheader()
        table.writerows(asdict(each) for each in measured)


if __name__ == "__main__":
    main()
