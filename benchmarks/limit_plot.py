"""Position error over the Cramér–Rao bound against dose, beside other programs, from one run.

    python benchmarks/limit_plot.py --png limit.png [--csv limit.csv] [--columns 900]
        [--peers build/peers-env] [--atomai build/atomai-env --atomai-model build/.../atomai-unet]
        [--signal UNKNOWN] [--limit-s 3600]

Square, triangular and honeycomb lattices with 3 to 6 widths between nearest columns and 100 to
10,000 counts a column, on a background of a tenth of the peak; every column is displaced by 3 % of
the spacing. Detection is by the network, told no more than that columns are bright; the other
programs are given the spacing. With ``--signal UNKNOWN`` it is not told that: columns 3 widths
apart overlap so far that the gaps between them are the sharper features, and are taken for dark
columns. Aim: rms / bound up to 1.10 everywhere, up to 1.05 from 4 widths on.

A find matches within 0.3 spacings, and recall says what was found. Columns within 1.5 spacings of
the border count for nobody. A point has about 700 columns, which fix a ratio to 2 %. Atomap fits
about 70 columns a second: with it, ``--columns 250`` leaves about 160, which fix a ratio to 4 %.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

import scanseg
from localisation import honeycomb, render, square
from scanseg.evaluate import cramer_rao_bound_px
from scanseg.inference import open_engine
from scanseg.micrograph import Micrograph, Signal
from scoring import score

FloatArray = NDArray[np.float64]
SPACING_PX = 14.0
RATIOS = (3.0, 4.0, 5.0, 6.0)  # spacing over width
COUNTS = (100, 300, 1000, 3000, 10_000)
BACKGROUND = 0.1  # of the peak
DISPLACED = 0.03  # of the spacing, along each axis
MATCHED = 0.3  # of the spacing
SEED = 8
SIDE_SCRIPT = Path(__file__).with_name("peers_side.py")
ATOMAI_SCRIPT = Path(__file__).with_name("atomai_side.py")


@dataclass(frozen=True)
class Scene:
    """An image with its truth and the bound of its columns; N columns."""

    lattice: str
    ratio: float
    counts: int
    image: NDArray[np.uint16]
    truth_px: FloatArray  # (N, 2)
    bound_px: float  # root of the mean squared bound along an axis

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.lattice}-{self.ratio:g}-{self.counts}.tif"


def triangular(side_px: int, spacing_px: float) -> FloatArray:
    """Columns of a triangular lattice."""
    rise = np.sqrt(3) / 2 * spacing_px
    rows, columns = np.indices((int(side_px / rise) + 1, int(side_px / spacing_px) + 1))
    sites = np.stack([rise * rows, spacing_px * (columns + 0.5 * (rows % 2))], -1).reshape(-1, 2)
    inside = ((sites > spacing_px / 2) & (sites < side_px - spacing_px / 2)).all(axis=1)
    return sites[inside]


LATTICES: dict[str, Callable[[int, float], FloatArray]] = {
    "square": square,
    "triangular": triangular,
    "honeycomb": honeycomb,
}
AREA = {"square": 1.0, "triangular": np.sqrt(3) / 2, "honeycomb": 3 * np.sqrt(3) / 4}


def draw(lattice: str, ratio: float, counts: int, n_columns: int) -> Scene:
    """One crystal that fills the image."""
    rng = np.random.default_rng((SEED, sorted(LATTICES).index(lattice), round(10 * ratio), counts))
    side = round(SPACING_PX * np.sqrt(n_columns * AREA[lattice]))
    sites = LATTICES[lattice](side, SPACING_PX)
    truth = sites + rng.normal(0, DISPLACED * SPACING_PX, sites.shape)
    sigma = SPACING_PX / ratio
    peak = counts / (2 * np.pi * sigma**2)
    image = rng.poisson(render(side, truth, peak, sigma, BACKGROUND * peak)).astype(np.uint16)
    return Scene(lattice, ratio, counts, image, truth, _bound(truth, peak, sigma))


def _bound(truth: FloatArray, peak: float, sigma: float) -> float:
    """Of the columns in the middle, with their displacements and all their neighbours."""
    away = np.abs(truth - truth.mean(axis=0)).max(axis=1)
    patch = truth[away < 5.2 * SPACING_PX]
    own = away[away < 5.2 * SPACING_PX] < 2.6 * SPACING_PX
    margin = 6 * sigma
    patch = patch - patch.min(axis=0) + margin
    height, width = np.ceil(patch.max(axis=0) + margin).astype(int).tolist()
    bound = cramer_rao_bound_px(
        patch, amplitude=peak, sigma_px=sigma, background=BACKGROUND * peak, shape=(height, width)
    )
    return float(np.sqrt(np.mean(bound[own] ** 2)))


def find(
    scenes: list[Scene], options: argparse.Namespace
) -> Iterator[tuple[str, dict[str, FloatArray]]]:
    """What scanseg finds, and the centres of mass of what its network sees."""
    signal = Signal(options.signal)
    model = scanseg.load_model("stem-atoms")
    engine = open_engine(model)
    fitted, centres = {}, {}
    for scene in scenes:
        image = Micrograph(scene.image, signal=signal)
        result = scanseg.predict(image, model, engine=engine)
        atoms = scanseg.find_atoms(result)
        fitted[scene.name] = atoms[["y_px", "x_px"]].to_numpy(float)
        centres[scene.name] = _centres(result)
    yield "scanseg", fitted
    yield "centre of mass", centres


def _centres(result: scanseg.inference.Prediction) -> FloatArray:
    """Centres of mass of connected regions above the threshold, as AtomAI's locator takes them."""
    from scipy import ndimage

    seen = result.foreground.sum(axis=0) > 127
    labels, count = ndimage.label(seen)
    where = ndimage.center_of_mass(seen, labels, np.arange(1, count + 1))
    return np.asarray(result.grid.to_image(np.array(where, float).reshape(-1, 2)))


def others(
    scenes: list[Scene], options: argparse.Namespace
) -> Iterator[tuple[str, dict[str, FloatArray]]]:
    """What the other programs find, each in its own environment, one after the other."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for scene in scenes:
            tifffile.imwrite(folder / scene.name, scene.image)
        if options.atomai:
            out = folder / "atomai.npz"
            arguments = ["predict", options.atomai_model, folder, out, "locate"]
            found = _ask(options.atomai, ATOMAI_SCRIPT, arguments, options.limit_s)
            yield from [("AtomAI", found)] if found else []
        if options.peers:
            for program in ("trackpy", "atomap"):
                arguments = [program, folder, folder / f"{program}.npz", str(SPACING_PX)]
                found = _ask(options.peers, SIDE_SCRIPT, arguments, options.limit_s)
                yield from [(program, found)] if found else []


def _ask(
    environment: Path, script: Path, arguments: list[object], limit_s: float
) -> dict[str, FloatArray] | None:
    """Positions by scene, or None after the time limit."""
    python = environment / "bin" / "python"
    command = [python, "-W", "ignore", script, *map(str, arguments)]
    try:
        subprocess.run(command, check=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        print(f"{script.name} {arguments[0]} had not finished after {limit_s:g} s", flush=True)
        return None
    with np.load(str(arguments[2] if script == SIDE_SCRIPT else arguments[3])) as arrays:
        return {name: arrays[name] for name in arrays.files}


def compare(scene: Scene, found_px: FloatArray) -> dict[str, Any]:
    """Recall, precision and rms over the bound of one program on one scene."""
    low, high = 1.5 * SPACING_PX, np.array(scene.image.shape) - 1.5 * SPACING_PX
    inner = ((scene.truth_px > low) & (scene.truth_px < high)).all(axis=1)
    # Finds near the border go with the columns there, which are asked of nobody.
    near = ((found_px > low - 0.3 * SPACING_PX) & (found_px < high + 0.3 * SPACING_PX)).all(axis=1)
    radius = MATCHED * SPACING_PX
    result = score(found_px[near], scene.truth_px, radius, required=inner)
    return {
        "lattice": scene.lattice,
        "spacing_over_sigma": scene.ratio,
        "counts": scene.counts,
        "bound_px": scene.bound_px,
        "recall": result.recall,
        "precision": result.precision,
        "rms_px": result.rms_px,
        "rms_over_bound": result.rms_px / scene.bound_px if result.n_matched else float("nan"),
    }


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """One panel a lattice and spacing; one line a program."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.2), layout="constrained")
    every = sorted({row["spacing_over_sigma"] for row in rows})
    panels = figure.subplots(len(LATTICES), len(every), sharex=True, sharey=True, squeeze=False)
    programs = list(dict.fromkeys(str(row["program"]) for row in rows))
    colours = dict(zip(programs, ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b"),
                       strict=False))  # fmt: skip
    for line, lattice in enumerate(LATTICES):
        for place, ratio in enumerate(every):
            axes = panels[line, place]
            axes.axhspan(0.9, 1.05 if ratio >= 4 else 1.10, color="#dcefdc", lw=0)
            axes.axhline(1, color="black", lw=0.8)
            for program in programs:
                own = [
                    row for row in rows
                    if (row["program"], row["lattice"], row["spacing_over_sigma"])
                    == (program, lattice, ratio)
                ]  # fmt: skip
                counts = [row["counts"] for row in own]
                ratios = np.array([row["rms_over_bound"] for row in own], float)
                # Half of the columns missing: an rms over the easy ones would say little.
                ratios[np.array([row["recall"] for row in own], float) < 0.5] = np.nan
                axes.plot(counts, ratios, "o-", ms=4, color=colours[program], label=program)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_ylim(0.9, 12)
            axes.set_yticks([1, 1.5, 2, 3, 5, 10], ["1", "1.5", "2", "3", "5", "10"])
            axes.set_title(f"{lattice}, {ratio:g} σ apart", fontsize=10)
            axes.grid(alpha=0.3, which="both")
    figure.supxlabel("counts a column")
    figure.supylabel("rms error / Cramér–Rao bound")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center",
                  ncols=len(programs))  # fmt: skip
    figure.savefig(path, dpi=130)


def main() -> None:
    """Draw the scenes, ask every program, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--png", type=Path, help="where the plot goes")
    parser.add_argument("--csv", type=Path, help="where the numbers go")
    parser.add_argument("--columns", type=int, default=900, help="columns of a scene")
    parser.add_argument(
        "--ratios", type=float, nargs="+", default=RATIOS, help="spacing over width"
    )
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="of a column")
    parser.add_argument(
        "--signal", default="HAADF", help="what the files say was detected; UNKNOWN for nothing"
    )
    parser.add_argument("--peers", type=Path, help="environment of trackpy and Atomap")
    parser.add_argument("--atomai", type=Path, help="environment of AtomAI")
    parser.add_argument("--atomai-model", type=Path, help="a network that AtomAI has trained")
    parser.add_argument(
        "--limit-s", type=float, default=3600, help="seconds that another program may take"
    )
    options = parser.parse_args()
    if options.atomai and not options.atomai_model:
        sys.exit("--atomai needs --atomai-model, which versus_atomai.py trains.")
    scenes = [
        draw(lattice, ratio, counts, options.columns)
        for lattice in LATTICES
        for ratio in options.ratios
        for counts in options.counts
    ]
    print(f"{'program':15} {'lattice':11} {'d/s':>4} {'counts':>7} {'recall':>7} {'prec.':>6} "
          f"{'/bound':>7}   load {os.getloadavg()[0]:.1f}")  # fmt: skip
    rows: list[dict[str, Any]] = []
    for program, positions in chain(find(scenes, options), others(scenes, options)):
        new = [{"program": program, **compare(scene, positions[scene.name])} for scene in scenes]
        rows += new
        for row in new:
            print(
                f"{row['program']:15} {row['lattice']:11} {row['spacing_over_sigma']:4.0f} "
                f"{row['counts']:7d} {row['recall']:7.3f} {row['precision']:6.3f} "
                f"{row['rms_over_bound']:7.3f}",
                flush=True,
            )
        # After each program, since some take an hour: what is there can be looked at.
        if options.csv:
            with options.csv.open("w", newline="") as file:
                table = csv.DictWriter(file, rows[0].keys())
                table.writeheader()
                table.writerows(rows)
        if options.png:
            plot(rows, options.png)


if __name__ == "__main__":
    main()
