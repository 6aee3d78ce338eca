"""Time of a whole ``scanseg predict`` over the time of its network alone.

    python benchmarks/run_overhead.py [--small 500] [--large 20] [--work build/run-overhead]

Images of 512² and 4096² of a simulated crystal, each set processed by the whole command in a
process of its own, then by the bare network: the same tiles, prepared before the clock starts.
Printed are wall and processor time of both and their ratios; processor time is what to compare
where other programs run beside this one. The goal is 1.10.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tifffile

from mosaic import crystal, mirrored
from processes import wait_for
from scanseg.bundle import load_model
from scanseg.inference import open_engine
from scanseg.inference._segment import counts_source
from scanseg.inference.settings import InferenceConfig
from scanseg.inference.tiles import plan_tiles
from scanseg.preprocess import Grid, measure_range

SIDES = {"small": 512, "large": 4096}
SPACING_PX = 12.0


def write_images(folder: Path, n: int, side: int) -> None:
    """Windows of the crystal, each elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    block = mirrored(crystal(SPACING_PX))
    repeats = -(-(side + len(block)) // len(block))
    mosaic = np.tile(block, (repeats, repeats))
    for index in range(n):
        top, left = 7 * index % len(block), 13 * index % len(block)
        image = mosaic[top : top + side, left : left + side]
        tifffile.imwrite(folder / f"{index:04}.tif", image, photometric="minisblack")


def whole(folder: Path, out: Path, model: str) -> tuple[float, float]:
    """Wall and processor time of the command, from start to end."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "scanseg.cli", "predict", str(folder), "-o", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen([*command, "-m", model, "--quiet"], stdout=subprocess.DEVNULL)
    cost = wait_for(process, started)
    if cost.exit_code:
        raise SystemExit(f"predict ended with {cost.exit_code}")
    return cost.wall_s, cost.cpu_s


def bare(folder: Path, name: str) -> tuple[float, float]:
    """Wall and processor time of the network on the tiles of all images."""
    model = load_model(name)
    contract, engine = model.contract, open_engine(model)
    wall = processor = 0.0
    for number, path in enumerate(sorted(folder.iterdir())):
        image = tifffile.imread(path)
        scale = contract.spacing_px / SPACING_PX
        grid = Grid.at_scale(image.shape, (scale, scale))
        source = counts_source(image, grid, measure_range(image, contract.normalisation), contract)
        plan = plan_tiles(
            grid,
            tile_px=InferenceConfig().tile_px,
            halo_px=contract.halo_px,
            multiple_px=contract.size_multiple_px,
        )
        tiles = [source(tile.window)[None] for tile in plan]
        if number == 0:
            engine.logits(tiles[0])  # the first call allocates
        started = time.perf_counter(), time.process_time()
        for tile in tiles:
            engine.logits(tile)
        wall += time.perf_counter() - started[0]
        processor += time.process_time() - started[1]
    return wall, processor


def main() -> None:
    """Measure both sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=500, help="images of 512²")
    parser.add_argument("--large", type=int, default=20, help="images of 4096²")
    parser.add_argument("--work", type=Path, default=Path("build/run-overhead"))
    parser.add_argument("--model", default="stem-atoms")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        print(json.dumps(bare(arguments.bare, arguments.model)))
        return
    for kind, side in SIDES.items():
        n = getattr(arguments, kind)
        if not n:
            continue
        folder = arguments.work / f"{side}"
        shutil.rmtree(folder, ignore_errors=True)
        write_images(folder, n, side)
        wall, processor = whole(folder, arguments.work / f"{side}-out", arguments.model)
        command = [sys.executable, __file__, "--bare", str(folder), "--model", arguments.model]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        bare_wall, bare_processor = json.loads(printed.splitlines()[-1])
        print(
            f"{n} images of {side}²: whole {wall:.1f} s ({processor:.1f} s of processors), "
            f"network {bare_wall:.1f} s ({bare_processor:.1f} s): "
            f"{wall / bare_wall:.2f} x in wall time, {processor / bare_processor:.2f} x in "
            "processor time",
            flush=True,
        )


if __name__ == "__main__":
    main()
