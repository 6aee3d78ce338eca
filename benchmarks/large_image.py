"""Peak memory and time of one very large image.

    python benchmarks/large_image.py [--side 16384] [--work build/large-image]

A simulated crystal is repeated until it fills the image, written as a TIFF, and processed by
``scanseg predict`` in a process of its own, whose peak memory (resident, mapped file included) the
operating system tells. The goal is 2 GB for 16,384 pixels a side.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tifffile

from scanseg.simulate import StemScene, simulate

PIECE_PX = 1024


def write_image(path: Path, side: int) -> None:
    """A mosaic of one simulated piece, mirrored at every seam so that no seam shows."""
    scene = StemScene(
        materials=("SrTiO3[001]",),
        random_lattice_fraction=0.0,
        layouts={"crystal": 1.0},
        signal="dark-field",
        spacing_px=(12.0, 12.0),
        counts_per_column=(2000.0, 2000.0),
        disorder=0.0,
    )
    piece = simulate(np.random.default_rng(3), shape=(PIECE_PX, PIECE_PX), config=scene).image
    pair = np.concatenate([piece, piece[:, ::-1]], axis=1).astype(np.uint16)
    block = np.concatenate([pair, pair[::-1]], axis=0)
    image = tifffile.memmap(path, shape=(side, side), dtype=np.uint16, photometric="minisblack")
    for top in range(0, side, block.shape[0]):
        for left in range(0, side, block.shape[1]):
            target = image[top : top + block.shape[0], left : left + block.shape[1]]
            target[:] = block[: target.shape[0], : target.shape[1]]
    image.flush()


def main() -> None:
    """Write the image, process it, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=16_384)
    parser.add_argument("--work", type=Path, default=Path("build/large-image"))
    parser.add_argument("--model", default="stem-atoms")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    path = arguments.work / f"crystal_{arguments.side}.tif"
    if not path.exists():
        write_image(path, arguments.side)
    command = [sys.executable, "-m", "scanseg.cli", "predict", str(path), "--fresh"]
    command += ["-o", str(arguments.work / "out"), "-m", arguments.model]
    start = time.monotonic()
    done = subprocess.run(command, check=False)
    seconds = time.monotonic() - start
    peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"{arguments.side}²: exit {done.returncode}, {seconds:.0f} s, peak {peak_gb:.2f} GB")


if __name__ == "__main__":
    main()
