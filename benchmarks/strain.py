"""How close lattices, strain and displacements come to their limits, and how fast.

    python benchmarks/strain.py              # everything, about a minute on one core
    python benchmarks/strain.py --speed 0    # accuracy only

Positions are drawn from known crystals with a known error, so the limits are those of least
squares: lattice vectors from N positions with error s reach s / sqrt(sum of squares of the
indices), a strain from the K columns around s / sqrt(sum of squares of their distances). Printed
are rms error / limit (1 is the best there can be), and rms of error / error bar (0.9 to 1.1 aimed
at). The strain is then compared with geometric phase analysis of an image of the same crystal.

The polarisation on both sides of a ferroelectric wall is measured in images, from the network to
the displacements; its limit is the Cramér–Rao bound of a column and of the four around it.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

import scanseg
from scanseg.evaluate.limits import cramer_rao_bound_px
from scanseg.lattice import (
    find_missing_sites,
    find_rings,
    geometric_phase,
    group_by_intensity,
    index_atoms,
    link_neighbours,
    measure_polarisation,
    measure_strain,
    pair_distribution,
)
from scanseg.simulate.imaging import render_columns

FloatArray = NDArray[np.float64]
SPACING_PX = 14.0
HEXAGONAL = np.sqrt(3) * SPACING_PX * np.array([[0, 1], [-np.sqrt(3) / 2, -0.5]])
SQUARE = np.sqrt(2) * SPACING_PX * np.array([[0, 1], [-1, 0]])
# name: lattice vectors as rows (y, x), sites in fractions of the cell, amplitudes
CRYSTALS = {
    "honeycomb": (HEXAGONAL, np.array([[0, 0], [1 / 3, 2 / 3]]), np.array([1.0, 1.0])),
    "perovskite A, B": (SQUARE, np.array([[0, 0], [0.5, 0.5]]), np.array([1.0, 0.6])),
}


def draw(
    rng: np.random.Generator, name: str, shape: tuple[int, int], noise_px: float,
    *, angle_deg: float = 0.0, missing: float = 0.0, wave: float = 0.0, shift_px: float = 0.0,
) -> tuple[pd.DataFrame, FloatArray, FloatArray]:  # fmt: skip
    """A table of atoms, the lattice vectors, and the indices (h, k, site) of its rows.

    ``wave`` is the height of a strain exx with a period of 300 px, ``shift_px`` moves the second
    site along +x left of the middle and along -x right of it.
    """
    vectors, sites, amplitude = CRYSTALS[name]
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    vectors = vectors @ np.array([[cos, sin], [-sin, cos]])
    reach = int(1.2 * np.hypot(*shape) / np.sqrt(abs(np.linalg.det(vectors)))) + 3
    steps = np.arange(-reach, reach + 1)
    cells = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    index = np.concatenate([np.column_stack([cells, np.full(len(cells), s)]) for s in (0, 1)])
    place = (index[:, :2] + sites[index[:, 2]]) @ vectors + np.array(shape) / 2
    place[:, 1] += shift_px * np.where(place[:, 1] < shape[1] / 2, 1, -1) * (index[:, 2] == 1)
    place[:, 1] += wave * 300 / (2 * np.pi) * np.sin(2 * np.pi * place[:, 1] / 300)
    seen = ((place > 0) & (place < np.array(shape) - 1)).all(1)
    seen &= rng.uniform(size=len(place)) >= missing
    order = np.flatnonzero(seen)[np.argsort(place[seen, 0])]  # from top to bottom, as found
    place, index = place[order] + rng.normal(0, noise_px, (len(order), 2)), index[order]
    atoms = pd.DataFrame(place, columns=["y_px", "x_px"]).assign(
        y_err_px=noise_px,
        x_err_px=noise_px,
        amplitude=100 * amplitude[index[:, 2]] * rng.normal(1, 0.06, len(index)),
    )
    return atoms, vectors, index


def rms(values: FloatArray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def vectors_against_limit(rng: np.random.Generator, *, repeats: int) -> None:
    """Print error / limit and error / error bar of lattice vectors."""
    print(f"{'lattice vectors':18} {'noise px':>8} {'missing':>7} {'N':>5} {'/limit':>7} "
          f"{'/error bar':>10}")  # fmt: skip
    for name in CRYSTALS:
        for noise, missing in ((0.1, 0.0), (0.5, 0.0), (1.0, 0.05)):
            ratios, pulls, count = [], [], 0
            for _ in range(repeats):
                atoms, vectors, index = draw(
                    rng, name, (210, 190), noise, angle_deg=rng.uniform(-50, 50), missing=missing
                )
                lattice = index_atoms(atoms).lattice()
                turn = np.round(lattice.vectors_px @ np.linalg.inv(vectors))
                error = lattice.vectors_px - turn @ vectors
                design = np.column_stack([index[:, :2] @ np.linalg.inv(turn), index[:, 2] == 0,
                                          index[:, 2] == 1])  # fmt: skip
                limit = noise * np.sqrt(np.diagonal(np.linalg.inv(design.T @ design))[:2])
                ratios.append(error / limit[:, None])
                pulls.append(error / lattice.vectors_err_px)
                count += len(atoms)
            print(f"{name:18} {noise:8.1f} {missing:7.2f} {count // repeats:5d} "
                  f"{rms(np.array(ratios)):7.3f} {rms(np.array(pulls)):10.3f}",
                  flush=True)  # fmt: skip


def strain_against_limit(rng: np.random.Generator) -> None:
    """Print error / limit and error / error bar of strain, rotation and displacements."""
    print(f"\n{'local fits':18} {'noise px':>8} {'exx rms %':>9} {'/limit':>7} {'/error bar':>10} "
          f"{'rotation':>9} {'B - A':>7}")  # fmt: skip
    for name in CRYSTALS:
        for noise in (0.1, 0.5):
            atoms, _, _ = draw(rng, name, (900, 860), noise, angle_deg=9)
            indexed = index_atoms(atoms)
            strain = measure_strain(indexed)
            inside = strain["n_columns"] == strain["n_columns"].mode()[0]
            own = strain[inside]
            # Around a column: K columns, each sublattice about its own mean.
            radius = 1.6 * indexed.lattice().lengths_px.max()
            limit = noise / np.sqrt(_inertia(indexed.lattice(), radius))
            moved = measure_polarisation(indexed)
            exx = rms(own["exx"])
            print(
                f"{name:18} {noise:8.1f} {100 * exx:9.3f} {exx / limit:7.3f} "
                f"{rms(own['exx'] / own['exx_err']):10.3f} "
                f"{rms(own['rotation_deg'] / own['rotation_err_deg']):9.3f} "
                f"{rms(moved['dx_px'] / moved['dx_err_px']):7.3f}",
                flush=True,
            )


def _inertia(lattice, radius_px: float) -> float:  # type: ignore[no-untyped-def]
    """Sum of squares along x of the columns within a radius, about the mean of each sublattice."""
    steps = np.stack(np.meshgrid(np.arange(-6, 7), np.arange(-6, 7), indexing="ij"), -1)
    cells = steps.reshape(-1, 2) @ lattice.vectors_px
    total = []
    for own in lattice.site_px:
        squares = 0.0
        for other in lattice.site_px:
            place = cells + other - own
            near = place[np.hypot(*place.T) <= 1.08 * radius_px]
            squares += float(((near - near.mean(0))[:, 1] ** 2).sum())
        total.append(squares)
    return float(np.mean(total))


def against_phases(rng: np.random.Generator) -> None:
    """Compare strain of positions and of phases with a wave of strain, from one image."""
    shape = (620, 760)
    atoms, _, _ = draw(rng, "perovskite A, B", shape, 0.0, wave=0.015)
    light = 4.0 * atoms["amplitude"].to_numpy()
    image = render_columns(
        shape, atoms[["y_px", "x_px"]].to_numpy(), light, 2.9, np.zeros(shape[0])
    )
    print(f"\n{'a wave of 1.5 %':18} {'peak counts':>11} {'atoms: rms %':>12} "
          f"{'phases: rms %':>13} {'correlation':>11}")  # fmt: skip
    for peak in (10, 100, 1000):
        counts = rng.poisson((image + 40) * peak / 400).astype(np.float32)
        # The bound of an isolated column (sigma 2.9 px) at this dose, background included.
        noise = 2.9 / np.sqrt(2 * np.pi * 2.9**2 * peak) * 1.16
        shaken = atoms.assign(
            y_px=atoms["y_px"] + rng.normal(0, noise, len(atoms)),
            x_px=atoms["x_px"] + rng.normal(0, noise, len(atoms)),
            y_err_px=noise, x_err_px=noise,
        )  # fmt: skip
        indexed = index_atoms(shaken, shape=shape)
        strain = measure_strain(indexed)
        inside = ((strain["x_px"] - 380).abs() < 300) & ((strain["y_px"] - 310).abs() < 250)
        strain = strain[inside]
        truth = 0.015 * np.cos(2 * np.pi * strain["x_px"] / 300)
        phase = geometric_phase(counts, indexed.lattice()).at(strain["y_px"], strain["x_px"])["exx"]
        by_atoms = strain["exx"] - truth
        by_phase = phase - truth
        print(
            f"{'':18} {peak:11d} {100 * (by_atoms - by_atoms.mean()).std():12.3f} "
            f"{100 * np.nanstd(by_phase):13.3f} {np.corrcoef(phase, strain['exx'])[0, 1]:11.3f}",
            flush=True,
        )


SIGMA_PX = 2.9
WALL_PX = 24.0  # width over which the polarisation turns around
MOVED_PX = 0.6


def ferroelectric_wall(rng: np.random.Generator) -> None:
    """Print how well the displacements of B columns on both sides of a wall are measured."""
    shape = (420, 510)
    model = scanseg.load_model("stem-atoms")
    print(f"\n{'a wall in images':18} {'counts':>7} {'columns':>7} {'found':>6} {'rms px':>7} "
          f"{'/bound':>7} {'/error bar':>10}")  # fmt: skip
    for counts in (300, 1000, 3000, 10_000, 30_000):
        atoms, _, index = draw(rng, "perovskite A, B", shape, 0.0, angle_deg=4)
        place, is_b = atoms[["y_px", "x_px"]].to_numpy(copy=True), index[:, 2] == 1
        polar = MOVED_PX * np.tanh((shape[1] / 2 - place[:, 1]) / (WALL_PX / 2))
        place[is_b, 0] += polar[is_b]
        peak = counts / (2 * np.pi * SIGMA_PX**2) * atoms["amplitude"].to_numpy() / 100
        level = 0.1 * counts / (2 * np.pi * SIGMA_PX**2)
        image = rng.poisson(
            render_columns(shape, place, peak, SIGMA_PX, np.zeros(shape[0])) + level
        )
        found = scanseg.find_atoms(scanseg.predict(image.astype(np.uint16), model))
        moved = measure_polarisation(index_atoms(found, shape=shape))
        corners, middles = place[~is_b], place[is_b]
        near, cage = cKDTree(corners).query(middles, k=4)
        whole = near[:, 3] < 1.2 * SPACING_PX
        truth = (middles - corners[cage].mean(1))[whole]
        away, own = cKDTree(middles[whole]).query(moved[["y_px", "x_px"]].to_numpy())
        error = moved[["dy_px", "dx_px"]].to_numpy() - truth[own]
        error = error[away < 0.3 * SPACING_PX]
        bars = moved[["dy_err_px", "dx_err_px"]].to_numpy()[away < 0.3 * SPACING_PX]
        bound = _wall_bound(place, peak, is_b, level)
        print(f"{'':18} {counts:7d} {whole.sum():7d} {len(error) / whole.sum():6.3f} "
              f"{rms(error):7.4f} {rms(error) / bound:7.3f} {rms(error / bars):10.3f}",
              flush=True)  # fmt: skip


def _wall_bound(
    place: FloatArray, peak: FloatArray, is_b: NDArray[np.bool_], level: float
) -> float:
    """Bound of a displacement along an axis, from the columns in the middle of the image."""
    away = np.abs(place - place.mean(0)).max(1)
    patch = np.flatnonzero(away < 5.2 * SPACING_PX)
    inner = away[patch] < 2.6 * SPACING_PX
    corner = place[patch].min(0) - 6 * SIGMA_PX
    side = np.ceil(place[patch].max(0) + 6 * SIGMA_PX - corner).astype(int)
    bound = cramer_rao_bound_px(
        place[patch] - corner, amplitude=peak[patch], sigma_px=SIGMA_PX, background=level,
        shape=(int(side[0]), int(side[1])),
    )  # fmt: skip
    b, a = bound[inner & is_b[patch]], bound[inner & ~is_b[patch]]
    return float(np.sqrt(np.mean(b**2) + np.mean(a**2) / 4))


def speed(rng: np.random.Generator, side_px: int) -> None:
    """Print the CPU time of each function for one large image."""
    print(f"\n{'CPU seconds':18} {'atoms':>7}")
    for name in CRYSTALS:
        atoms, _, _ = draw(rng, name, (side_px, side_px), 0.3, missing=0.01, angle_deg=5)
        indexed = index_atoms(atoms)
        print(f"{name:18} {len(atoms):7d}   load {os.getloadavg()[0]:.1f}")
        for stage, inputs in (
            (index_atoms, atoms),
            (measure_strain, indexed),
            (find_missing_sites, indexed),
            (measure_polarisation, indexed),
            (group_by_intensity, indexed),
            (link_neighbours, atoms),
            (find_rings, link_neighbours(atoms)),
            (pair_distribution, atoms),
        ):
            start = time.process_time()
            stage(inputs)
            print(f"  {stage.__name__:22} {time.process_time() - start:6.2f}", flush=True)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=60, help="crystals for lattice vectors")
    parser.add_argument("--speed", type=int, default=4450, metavar="PX", help="side of the image")
    options = parser.parse_args()
    rng = np.random.default_rng(8)
    vectors_against_limit(rng, repeats=options.repeats)
    strain_against_limit(rng)
    against_phases(rng)
    ferroelectric_wall(rng)
    if options.speed:
        speed(rng, options.speed)


if __name__ == "__main__":
    main()
