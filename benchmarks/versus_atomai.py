"""scanseg against AtomAI 0.8.1: same images, same cores, whole processes, one after the other.

    bash benchmarks/make_atomai_environment.sh
    python benchmarks/versus_atomai.py

Both find and refine every atom column of 100 images of 512² and of one of 4096². AtomAI's network
is its own default U-Net, trained by its own loop on the very generator that draws the images
(lattices.py); scanseg uses the shipped model, which never saw it. AtomAI is run with its refinement
(the comparison) and without (beside it, since its refinement makes positions worse).

Times are those of whole processes, from start to exit, with a warm file cache: each program has run
on one image before. Errors are per axis, over the columns that were found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from lattices import KINDS, Crystal, disc_mask, draw_crystal, is_inside
from processes import Cost, wait_for
from scoring import Score, score

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build"
BORDER_PX = 8  # AtomAI drops what is within 5 px of the border


@dataclass(frozen=True)
class Outcome:
    """What a program made of a folder of images."""

    cost: Cost
    everywhere: Score
    interior: Score  # more than BORDER_PX from the border


def main() -> None:
    """Make what is missing, run both, print the ratios."""
    options = _options()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    model = work / "atomai-unet"
    if not model.with_suffix(".tar").exists():
        train_atomai(work, model, options)
    make_images(work / "one", 1, 512)
    workloads = {"small": f"{options.images} images of 512²", "large": "1 image of 4096²"}
    make_images(work / "small", options.images, 512)
    make_images(work / "large", 1, 4096)
    for folder, title in workloads.items():
        if folder in options.skip:
            continue
        outcomes = run_all(work, folder, model, options)
        report(title, outcomes)


def run_all(
    work: Path, folder: str, model: Path, options: argparse.Namespace
) -> dict[str, Outcome]:
    """Both programs on one folder, after a warm-up on one image."""
    scanseg = [options.scanseg, "predict", "-m", options.model]
    programs = {
        "scanseg": lambda images, out: [*scanseg, images, "-o", out],
        "AtomAI refined": lambda images, out: _atomai(options, model, images, out, "refine"),
        "AtomAI unrefined": lambda images, out: _atomai(options, model, images, out, "locate"),
    }
    outcomes = {}
    for name, command in programs.items():
        out = work / f"out-{name.replace(' ', '-')}"
        for images in ("one", folder):
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            cost = run([str(part) for part in command(work / images, out)], options.cores)
        found = read_scanseg(out) if name == "scanseg" else read_atomai(out)
        outcomes[name] = judge(cost, found, work / folder)
    return outcomes


def run(command: list[str], cores: int) -> Cost:
    """Run a command on the first so many cores; its wall and CPU time and its peak memory."""
    mine = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, mine)  # the command inherits it
    environment = os.environ | {
        name: str(len(mine)) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    message = process.stderr.read()
    cost = wait_for(process, start)
    if cost.exit_code:
        sys.exit(f"{' '.join(command)} failed:\n{message.decode()[-2000:]}")
    return cost


def _truth(folder: Path) -> Path:
    """Where the truth of a folder of images is: beside it, for it is no image."""
    truth = folder.with_name(f"{folder.name}-truth")
    truth.mkdir(parents=True, exist_ok=True)
    return truth


def judge(cost: Cost, found: dict[str, np.ndarray], folder: Path) -> Outcome:
    """Compare with the truth, within a quarter of the spacing."""
    everywhere, interior = Score(), Score()
    for path in sorted(_truth(folder).glob("*.npz")):
        with np.load(path) as truth:
            position, spacing, shape = truth["position_px"], truth["spacing_px"], truth["shape"]
        positions = found.get(f"{path.stem}.tif", np.empty((0, 2)))
        # Columns whose centre is outside may be found by their flank: neither right nor wrong.
        everywhere += score(positions, position, spacing / 4, required=is_inside(position, shape))
        deep = ((position > BORDER_PX) & (position < shape - 1 - BORDER_PX)).all(axis=1)
        interior += score(positions, position, spacing / 4, required=deep)
    return Outcome(cost, everywhere, interior)


def report(title: str, outcomes: dict[str, Outcome]) -> None:
    """Print one table, and how many times scanseg is faster."""
    own = outcomes["scanseg"].cost
    print(f"\n{title}: {outcomes['scanseg'].everywhere.n_truth} columns")
    print(
        f"{'':18}{'wall s':>9}{'CPU s':>9}{'MB':>7}{'x wall':>8}{'x CPU':>8}"
        f"{'recall':>9}{'precision':>11}{'F1':>8}{'F1 inside':>11}{'rms px':>9}"
    )
    for name, outcome in outcomes.items():
        cost, everywhere = outcome.cost, outcome.everywhere
        print(
            f"{name:18}{cost.wall_s:9.1f}{cost.cpu_s:9.1f}{cost.peak_bytes / 2**20:7.0f}"
            f"{cost.wall_s / own.wall_s:8.1f}{cost.cpu_s / own.cpu_s:8.1f}"
            f"{everywhere.recall:9.4f}{everywhere.precision:11.4f}{everywhere.f1:8.4f}"
            f"{outcome.interior.f1:11.4f}{everywhere.rms_px:9.4f}"
        )


def make_images(folder: Path, n_images: int, side_px: int) -> None:
    """Write images as TIFF and their truth beside them, once."""
    if len(list(_truth(folder).glob("*.npz"))) == n_images:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(side_px)
    for index in range(n_images):
        if side_px > 1024:
            crystal = draw_crystal(
                rng, (side_px, side_px), kind="perovskite", spacing_px=17, peak_counts=50
            )
        else:
            crystal = draw_crystal(rng, (side_px, side_px), kind=KINDS[index % len(KINDS)])
        _write(folder / f"{index:03}", crystal)


def train_atomai(work: Path, model: Path, options: argparse.Namespace) -> None:
    """Train AtomAI's network on 216 images of 256²: half graphene with dopants, half perovskite."""
    rng = np.random.default_rng(1)
    crystals = [draw_crystal(rng, (256, 256), kind=KINDS[index % 2]) for index in range(216)]
    images = np.array([crystal.counts for crystal in crystals])
    masks = np.array([disc_mask(crystal) for crystal in crystals])
    np.savez(work / "train.npz", images=images, masks=masks)
    side = [str(options.atomai), "-W", "ignore", str(HERE / "atomai_side.py"), "train"]
    subprocess.run([*side, str(work / "train.npz"), str(model), str(options.cycles)], check=True)


def read_scanseg(out: Path) -> dict[str, np.ndarray]:
    """Positions of a run, by the name of the image."""
    atoms = pd.read_csv(out / "atoms.csv", usecols=["image", "y_px", "x_px"])
    groups = atoms.groupby(atoms["image"].map(lambda image: Path(image).name))
    return {name: rows[["y_px", "x_px"]].to_numpy() for name, rows in groups}


def read_atomai(out: Path) -> dict[str, np.ndarray]:
    """Positions that atomai_side.py wrote, by the name of the image."""
    with np.load(out / "found.npz") as found:
        return dict(found)


def _atomai(
    options: argparse.Namespace, model: Path, images: Path, out: Path, how: str
) -> list[object]:
    side = [options.atomai, "-W", "ignore", HERE / "atomai_side.py"]
    return [*side, "predict", model, images, out / "found.npz", how]


def _write(stem: Path, crystal: Crystal) -> None:
    tifffile.imwrite(stem.with_suffix(".tif"), crystal.counts)
    np.savez(
        _truth(stem.parent) / f"{stem.name}.npz",
        position_px=crystal.position_px,
        spacing_px=crystal.spacing_px,
        shape=crystal.counts.shape,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, default=BUILD / "versus-atomai")
    parser.add_argument("--atomai", type=Path, default=BUILD / "atomai-env" / "bin" / "python")
    parser.add_argument("--scanseg", type=Path, default=Path(sys.executable).parent / "scanseg")
    parser.add_argument("--model", default="stem-atoms", help="a name, or the folder of a model")
    parser.add_argument("--images", type=int, default=100, help="images of 512²")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--cycles", type=int, default=150, help="training cycles of AtomAI")
    parser.add_argument("--skip", nargs="*", default=[], choices=["small", "large"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
