"""What is left of line jitter and drift after correction, over the bound of a position.

    python benchmarks/scan_distortion.py [--counts 3000]

Images of a square crystal and a honeycomb are drawn with lines that start off, along x and half as
much along y, and with a steady drift; every column is refined from a start near its place, indexed
and corrected. Printed are the rms errors along (y, x) over the Cramér–Rao bound of the columns,
before and after. What no image can tell is left free: place, size and turn of the crystal, and
before the correction its shear and stretch as well, so that the left side is jitter alone. The last
rows are series of the same crystal, strained, against their mean.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from localisation import bound_inside, honeycomb, square
from scanseg.atoms.refine import refine_columns
from scanseg.distortion import DistortionEstimation, measure_distortion, measure_series
from scanseg.lattice import index_atoms

FloatArray = NDArray[np.float64]
SIDE_PX, SPACING_PX, SIGMA_PX = 420, 14.0, 3.0
LATTICES = {"square": square, "honeycomb": honeycomb}
STRETCH, SHEAR = 0.008, -0.012


def draw(
    rng: np.random.Generator, true: FloatArray, peak: float, jitter_px: float, drift: bool
) -> tuple[FloatArray, FloatArray]:
    """Counts, and where columns are seen without jitter."""
    middle = (SIDE_PX - 1) / 2
    y, x = (true - middle).T
    seen = true
    if drift:
        seen = np.stack([(1 + STRETCH) * y, x + SHEAR * y], axis=1) + middle
    lines = np.arange(SIDE_PX)
    down = lines + rng.normal(0, 0.5 * jitter_px, SIDE_PX)
    across = rng.normal(0, jitter_px, SIDE_PX)
    expected = np.full((SIDE_PX, SIDE_PX), 0.1 * peak)
    reach = int(6 * SIGMA_PX)
    for row, column in seen:
        rows = lines[max(0, int(row) - reach) : int(row) + reach + 1]
        columns = lines[max(0, int(column) - reach) : int(column) + reach + 1]
        if not len(rows) or not len(columns):
            continue
        along_y = np.exp(-((down[rows] - row) ** 2) / (2 * SIGMA_PX**2))
        apart = columns[None] + across[rows][:, None] - column
        spot = along_y[:, None] * np.exp(-(apart**2) / (2 * SIGMA_PX**2))
        expected[np.ix_(rows, columns)] += peak * spot
    return rng.poisson(expected).astype(np.float32), seen


def refined(
    image: FloatArray, seen: FloatArray, true: FloatArray
) -> tuple[pd.DataFrame, FloatArray]:
    """Table of the columns that can be asked for, and their true places."""
    inside = ((seen > 3 * SIGMA_PX) & (seen < SIDE_PX - 3 * SIGMA_PX)).all(1)
    found = refine_columns(image, seen[inside], spacing_px=SPACING_PX)
    good = found.fit_ok & ~found.at_edge
    table = pd.DataFrame(found.position_px[good], columns=["y_px", "x_px"])
    table[["y_err_px", "x_err_px"]] = found.position_err_px[good]
    table["sigma_px"] = found.sigma_px[good]
    table["amplitude"] = found.amplitude[good]
    return table, true[inside][good]


def left_over(found: FloatArray, truth: FloatArray, *, affine: bool) -> FloatArray:
    """Rms error along (y, x) after the best affine map, or similarity."""
    if affine:
        design = np.column_stack([np.ones(len(truth)), truth])
        error = found - design @ np.linalg.lstsq(design, found, rcond=None)[0]
        return np.sqrt((error**2).mean(0))
    a, b = found @ np.array([1j, 1]), truth @ np.array([1j, 1])
    complex_design = np.column_stack([np.ones(len(b), complex), b])
    rest = a - complex_design @ np.linalg.lstsq(complex_design, a, rcond=None)[0]
    return np.sqrt([(rest.imag**2).mean(), (rest.real**2).mean()])


def one_image(lattice: str, jitter_px: float, slow: str, counts: float) -> str:
    """A row: jitter and drift of single images."""
    rng = np.random.default_rng(9)
    peak = counts / (2 * np.pi * SIGMA_PX**2)
    true = LATTICES[lattice](SIDE_PX, SPACING_PX)
    bound = bound_inside(true, SPACING_PX, peak, SIGMA_PX, 0.1 * peak)
    image, seen = draw(rng, true, peak, jitter_px, drift=True)
    table, truth = refined(image, seen, true)
    config = DistortionEstimation.from_settings({"slow_changes": slow})
    found = measure_distortion(index_atoms(table, shape=image.shape), shape=image.shape,
                               config=config)  # fmt: skip
    place = table[["y_px", "x_px"]].to_numpy()
    before = left_over(place, truth, affine=True) / bound
    after = left_over(found.corrected(place), truth, affine=False) / bound
    told = "no drift"
    if found.drift:
        told = (f"{100 * found.drift.stretch:.3f} ± {100 * found.drift.stretch_err:.3f} %, "
                f"{100 * found.drift.shear:.3f} ± {100 * found.drift.shear_err:.3f} %")  # fmt: skip
    numbers = f"{before[0]:5.2f} {before[1]:5.2f}  {after[0]:5.2f} {after[1]:5.2f}"
    return f"{lattice:10} {slow:7} {jitter_px:6.2f} {bound:7.4f}  {numbers}   {told}"


def series(lattice: str, jitter_px: float, n_frames: int, counts: float) -> str:
    """A row: frames of one strained crystal against their mean."""
    rng = np.random.default_rng(10)
    peak = counts / (2 * np.pi * SIGMA_PX**2)
    sites = LATTICES[lattice](SIDE_PX, SPACING_PX)
    bound = bound_inside(sites, SPACING_PX, peak, SIGMA_PX, 0.1 * peak)
    true = sites + rng.normal(0, 0.03 * SPACING_PX, sites.shape)
    true[:, 1] += np.sin(2 * np.pi * true[:, 0] / 150)
    tables, truths = [], []
    for number in range(n_frames):
        image, seen = draw(rng, true, peak, jitter_px, drift=False)
        table, truth = refined(image, seen, true)
        which = {tuple(place): n for n, place in enumerate(true)}
        tables.append(table.assign(frame=number, track=[which[tuple(place)] for place in truth]))
        truths.append(truth)
    found = measure_series(pd.concat(tables, ignore_index=True), shape=(SIDE_PX, SIDE_PX))
    before, after = [], []
    for number, (table, truth) in enumerate(zip(tables, truths, strict=True)):
        place = table[["y_px", "x_px"]].to_numpy()
        before.append(left_over(place, truth, affine=True) / bound)
        after.append(left_over(found[number].corrected(place), truth, affine=True) / bound)
    first, last = np.mean(before, axis=0), np.mean(after, axis=0)
    return (f"{lattice:10} {n_frames:2d} frames {jitter_px:4.2f} {bound:7.4f}  {first[0]:5.2f} "
            f"{first[1]:5.2f}  {last[0]:5.2f} {last[1]:5.2f}")  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=float, default=3000, help="of a column")
    options = parser.parse_args()
    print("lattice    slow    jitter  bound   before y, x   after y, x    stretch, shear "
          f"(true {100 * STRETCH} %, {100 * SHEAR} %)")  # fmt: skip
    for lattice in LATTICES:
        for jitter_px in (0.0, 0.1, 0.5):
            for slow in ("strain", "scan"):
                print(one_image(lattice, jitter_px, slow, options.counts), flush=True)
    for n_frames in (4, 16):
        print(series("honeycomb", 0.5, n_frames, options.counts), flush=True)


if __name__ == "__main__":
    main()
