"""How close refined positions come to the Cramér–Rao bound, and how fast.

    python benchmarks/localisation.py            # everything, about a minute
    python benchmarks/localisation.py --speed 0  # accuracy only

Prints, for isolated columns and for lattices of 5 and 3.1 widths, the rms error over the bound
(aim: 1.05 isolated, 1.15 in the square lattice) and the rms of error over error bar (0.9 to 1.1).
Starts are off by a twentieth of the spacing along each axis. A row has about 2,500 columns, which
fix a ratio to 1 %.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
from numpy.typing import NDArray

from scanseg.atoms import Refinement, refine_columns
from scanseg.evaluate import cramer_rao_bound_px

FloatArray = NDArray[np.float64]


def square(side_px: int, spacing_px: float) -> FloatArray:
    """Columns of a square lattice."""
    axis = np.arange(spacing_px, side_px - spacing_px / 2, spacing_px)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)


def honeycomb(side_px: int, spacing_px: float) -> FloatArray:
    """Columns of a honeycomb lattice with the given distance between nearest ones."""
    rows, columns = np.indices((2 * side_px // int(spacing_px), side_px // int(spacing_px)))
    y = 1.5 * spacing_px * rows
    x = np.sqrt(3) * spacing_px * (columns + 0.5 * (rows % 2))
    sites = np.concatenate(
        [np.stack([y + shift, x], -1).reshape(-1, 2) for shift in (0, spacing_px)]
    )
    inside = ((sites > spacing_px / 2) & (sites < side_px - spacing_px / 2)).all(axis=1)
    return sites[inside]


def render(
    side_px: int, position: FloatArray, peak: float, sigma_px: float, background: float
) -> FloatArray:
    """Gaussian columns on a flat background, cut off at 6 widths."""
    image = np.full((side_px, side_px), float(background))
    reach = int(np.ceil(6 * sigma_px))
    for y, x in position:
        rows = np.arange(max(0, int(y) - reach), min(side_px, int(y) + reach + 2))
        columns = np.arange(max(0, int(x) - reach), min(side_px, int(x) + reach + 2))
        along_y = np.exp(-((rows - y) ** 2) / (2 * sigma_px**2))
        along_x = np.exp(-((columns - x) ** 2) / (2 * sigma_px**2))
        image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += peak * np.outer(
            along_y, along_x
        )
    return image


def bound_inside(
    sites: FloatArray, spacing_px: float, peak: float, sigma_px: float, background: float
) -> float:
    """Bound of a column in the middle of a lattice, from a patch of it."""
    middle = sites[np.argmin(((sites - sites.mean(axis=0)) ** 2).sum(axis=1))]
    reach = max(2.6 * spacing_px if spacing_px < 6 * sigma_px else 0, 0.1)
    patch = sites[(np.abs(sites - middle) < reach).all(axis=1)]
    own = int(np.argmin(((patch - middle) ** 2).sum(axis=1)))
    margin = 7 * sigma_px
    patch = patch - patch.min(axis=0) + margin
    shape = tuple(int(np.ceil(length + margin)) for length in patch.max(axis=0))
    bound = cramer_rao_bound_px(
        patch,
        amplitude=peak,
        sigma_px=sigma_px,
        background=background,
        shape=(shape[0], shape[1]),
    )
    return float(np.sqrt(np.mean(bound[own] ** 2)))


def accuracy(rng: np.random.Generator) -> None:
    """Print the ratios, one row a scene and dose."""
    scenes = [
        ("isolated", square, 1024, 20.0, 2.0),
        ("square d/s 5", square, 520, 10.0, 2.0),
        ("honeycomb d/s 3.1", honeycomb, 580, 10.0, 10 / 3.1),
    ]
    print(
        f"{'scene':18} {'peak':>5} {'backgr':>7} {'columns':>7} {'rms px':>7} {'/bound':>7} "
        f"{'/error bar':>10} {'fit_ok':>7}"
    )
    for name, lattice, side, spacing, sigma in scenes:
        sites = lattice(side, spacing)
        for peak in (30, 300, 3000):
            for share in (0.1, 1.0):
                truth = sites + rng.normal(0, 0.03 * spacing, sites.shape)
                image = rng.poisson(render(side, truth, peak, sigma, share * peak))
                start = truth + rng.normal(0, 0.05 * spacing, truth.shape)
                found = refine_columns(image.astype(np.float32), start, spacing_px=spacing)
                use = found.fit_ok & ~found.at_edge
                error = (found.position_px - truth)[use]
                rms = np.sqrt(np.mean(error**2))
                pull = np.sqrt(np.mean((error / found.position_err_px[use]) ** 2))
                bound = bound_inside(sites, spacing, peak, sigma, share * peak)
                print(
                    f"{name:18} {peak:5d} {share * peak:7.0f} {len(truth):7d} {rms:7.4f} "
                    f"{rms / bound:7.3f} {pull:10.3f} {found.fit_ok.mean():7.4f}",
                    flush=True,
                )


def speed(rng: np.random.Generator, side_px: int) -> None:
    """Print columns a second; CPU time tells the truth on a busy machine."""
    for name, lattice, spacing, sigma in (
        ("square d/s 5", square, 10.0, 2.0),
        ("honeycomb d/s 3.1", honeycomb, 10.0, 10 / 3.1),
    ):
        sites = lattice(side_px, spacing)
        truth = sites + rng.normal(0, 0.03 * spacing, sites.shape)
        image = rng.poisson(render(side_px, truth, 300, sigma, 30)).astype(np.uint16)
        start = truth + rng.normal(0, 0.05 * spacing, truth.shape)
        config = Refinement(threads=min(2, os.cpu_count() or 1))
        cpu, wall = np.inf, np.inf
        for _ in range(2):
            cpu_start, wall_start = time.process_time(), time.perf_counter()
            refine_columns(image, start, spacing_px=spacing, config=config)
            cpu = min(cpu, time.process_time() - cpu_start)
            wall = min(wall, time.perf_counter() - wall_start)
        count = len(truth)
        print(
            f"{name:18} {side_px}² px, {count} columns: {1e6 * cpu / count:.1f} us of CPU a "
            f"column = {2 * count / cpu:,.0f} columns/s on two free cores; "
            f"{count / wall:,.0f} columns/s measured, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speed", type=int, default=2048, metavar="PX", help="side of the image")
    options = parser.parse_args()
    rng = np.random.default_rng(20)
    refine_columns(np.ones((64, 64)), np.full((1, 2), 32.0), spacing_px=12)  # compiles the kernels
    accuracy(rng)
    if options.speed:
        speed(rng, options.speed)


if __name__ == "__main__":
    main()
