"""Names of sublattices from a known crystal structure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scanseg.errors import ScansegError
from scanseg.lattice._columns import FloatArray, IntArray
from scanseg.lattice.model import IndexedAtoms, Lattice

if TYPE_CHECKING:
    from ase import Atoms
    from pandas import DataFrame

__all__ = ["Labels", "label_sites"]

REACH = 3  # lattice vectors of the structure that are tried, along each of its own
SHAPE_TOLERANCE = 0.06  # strain and shear of drifting scans
SCALE_TOLERANCE = 0.12  # calibrations are off by up to a tenth
SITE_TOLERANCE = 0.2  # of the distance of nearest columns of the image
EXPONENT = 1.7  # of the atomic number, in dark field
TOGETHER_NM = 0.02  # atoms whose projections are nearer are one column


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Columns named after a structure.

    Parameters
    ----------
    atoms
        The table with ``label``, the content of the column, such as ``Sr`` or ``OTi``.
    table
        One row a sublattice: ``grain``, ``sublattice``, ``label``, ``distance_px`` (from the place
        that the structure gives it, in square pixels), ``scale`` (lengths of the image over those
        of the structure; empty without a calibration), ``not_seen`` (columns of the structure that
        no sublattice is).
    """

    atoms: DataFrame
    table: DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class _Projection:
    """A structure along the zone axis: lattice vectors (2, 2) in nm, and K columns."""

    vectors: FloatArray
    fraction: FloatArray  # (K, 2)
    label: tuple[str, ...]
    strength: FloatArray  # (K,) about how bright each column is in dark field


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    column: IntArray  # (S,) of the larger cell that the image has
    distance: FloatArray  # (S,) square pixels
    scale: float
    cost: float
    labels: tuple[str, ...]


def label_sites(
    indexed: IndexedAtoms, structure: Atoms | str | Path, *, zone: tuple[int, int, int] = (0, 0, 1)
) -> Labels:
    """Name the sublattices of every grain after the columns of a structure.

    Parameters
    ----------
    indexed
        See :func:`scanseg.lattice.index_atoms`.
    structure
        A CIF or any other file that ASE reads, or its Atoms.
    zone
        Zone axis that the image looks along, in the axes of the structure's cell.

    Raises
    ------
    ScansegError
        When the structure, so projected, is the lattice of no grain.

    Notes
    -----
    Lattice vectors of the structure are laid on those of the image in all ways that keep lengths
    and angles within 6 % (and, with a calibration, the scale within 12 %), mirrored ones included;
    sites must then lie on columns. Where several ways fit, as the two sites of a perovskite or of
    MoS2, the brighter sublattice is that of the greater sum of Z**1.7. Columns that are not seen,
    such as oxygen in dark field, are listed.
    """
    from pandas import Categorical, DataFrame, Index

    projection = _project(structure, np.array(zone))
    label = np.full(len(indexed.atoms), "", object)
    grain = indexed.atoms["grain"].to_numpy(np.int64)
    site = indexed.atoms["sublattice"].cat.codes.to_numpy()
    rows = []
    for lattice in indexed.lattices:
        match = _best_match(lattice, projection)
        if match is None:
            continue
        unseen = [name for n, name in enumerate(match.labels) if n not in match.column]
        for number, column in enumerate(match.column):
            label[(grain == lattice.grain) & (site == number)] = match.labels[column]
            rows.append(
                {
                    "grain": lattice.grain, "sublattice": lattice.sublattices[number],
                    "label": match.labels[column], "distance_px": match.distance[number],
                    "scale": match.scale, "not_seen": " ".join(sorted(unseen)),
                }
            )  # fmt: skip
    if not rows:
        raise ScansegError(
            f"Along {''.join(map(str, zone))} the structure is the lattice of none of the "
            f"{len(indexed.lattices)} grains.",
            hint="Compare lengths and angles with lattices_table(), and check the zone axis.",
        )
    names = sorted({row["label"] for row in rows})
    codes = np.array([names.index(each) if each else -1 for each in label])
    return Labels(
        indexed.atoms.assign(label=Categorical.from_codes(codes, categories=Index(names))),
        DataFrame(rows),
    )


def _project(structure: Atoms | str | Path, zone: IntArray) -> _Projection:
    """Look along a zone axis: drop the height, and find the repeat of what is left."""
    crystal = _read(structure) if isinstance(structure, str | Path) else structure
    cell = np.asarray(crystal.cell[:], np.float64) / 10.0  # Å to nm
    direction = zone @ cell / np.linalg.norm(zone @ cell)
    across = np.cross(direction, np.eye(3)[np.abs(direction).argmin()])
    plane = np.stack([across / np.linalg.norm(across), np.cross(direction, across)])
    plane[1] /= np.linalg.norm(plane[1])
    place = np.asarray(crystal.positions, np.float64) / 10.0 @ plane.T
    vectors = _shortest(np.array(list(product(range(-4, 5), repeat=3))) @ cell @ plane.T)
    symbols = list(crystal.symbols)
    whole = _columns(place, symbols, vectors)
    # The cell of a file may be centred, and columns repeat in a smaller one.
    smaller = _shortest(_translations(whole) @ vectors)
    return _columns(place, symbols, smaller)


def _read(path: str | Path) -> Atoms:
    from ase.io import read

    structure = read(path)
    return structure[-1] if isinstance(structure, list) else structure


def _columns(place: FloatArray, symbols: list[str], vectors: FloatArray) -> _Projection:
    """Columns of a cell from all atoms (y, x), shape (N, 2); atoms of one place are one column."""
    from ase.data import atomic_numbers

    fraction = place @ np.linalg.inv(vectors) % 1.0
    columns: list[list[int]] = []
    for atom in range(len(fraction)):
        for column in columns:
            if np.hypot(*_apart(fraction[atom] - fraction[column[0]], vectors)) < TOGETHER_NM:
                column.append(atom)
                break
        else:
            columns.append([atom])
    power = np.array([float(atomic_numbers[symbol]) for symbol in symbols]) ** EXPONENT
    return _Projection(
        vectors,
        fraction[[column[0] for column in columns]],
        tuple("".join(sorted({symbols[atom] for atom in column})) for column in columns),
        np.array([power[column].sum() for column in columns]),
    )


def _translations(cell: _Projection) -> FloatArray:
    """Lattice points, in fractions of the cell: all shifts that bring columns onto their like."""
    shifts = [np.zeros(2)]
    for shift in cell.fraction[1:] - cell.fraction[0]:
        moved = cell.fraction[:, None] + shift - cell.fraction[None]
        apart = np.linalg.norm(_apart(moved, cell.vectors), axis=-1)
        onto = apart.argmin(1)
        alike = all(cell.label[n] == cell.label[m] for n, m in enumerate(onto))
        if alike and apart.min(1).max() < TOGETHER_NM:
            shifts.append(shift)
    grid = np.array(list(product(range(-3, 4), repeat=2)))
    return np.asarray((grid[:, None] + np.array(shifts)).reshape(-1, 2), np.float64)


def _shortest(flat: FloatArray) -> FloatArray:
    """Two shortest independent vectors of a set of lattice points, shape (2, 2)."""
    flat = flat[np.argsort(np.hypot(*flat.T))]
    flat = flat[np.hypot(*flat.T) > 1e-6]
    area = np.abs(flat[0, 0] * flat[:, 1] - flat[0, 1] * flat[:, 0])
    return flat[[0, int(np.argmax(area > 1e-6))]]


def _apart(fraction: FloatArray, vectors: FloatArray) -> FloatArray:
    """Shortest vector of a difference modulo the lattice, (..., 2)."""
    wrapped = fraction - np.round(fraction)
    options = (wrapped[..., None, :] + np.array(list(product((-1, 0, 1), repeat=2)))) @ vectors
    nearest = np.linalg.norm(options, axis=-1).argmin(-1)
    return np.asarray(np.take_along_axis(options, nearest[..., None, None], -2)[..., 0, :])


def _best_match(lattice: Lattice, projection: _Projection) -> _Match | None:
    """The way to lay the structure on the lattice that fits best, the smallest cell first."""
    steps = np.array([s for s in product(range(-REACH, REACH + 1), repeat=2) if s != (0, 0)])
    turns = np.stack([steps[:, None] + 0 * steps, steps + 0 * steps[:, None]], axis=2)
    turns = turns.reshape(-1, 2, 2)
    area = np.abs(np.round(np.linalg.det(turns)).astype(int))
    turns, area = turns[area > 0], area[area > 0]
    measured = lattice.vectors_px * lattice.stretch
    stretch = np.linalg.svd(np.linalg.inv(turns @ projection.vectors) @ measured)[1]
    scale = np.sqrt(stretch.prod(1)) * (lattice.nm_per_px or np.nan)
    fits = stretch[:, 0] / stretch[:, 1] - 1 <= SHAPE_TOLERANCE
    if lattice.nm_per_px is not None:
        fits &= np.abs(scale - 1) <= SCALE_TOLERANCE
    for size in np.unique(area[fits]):
        matches = [
            _match_sites(lattice, projection, turns[n], float(scale[n]))
            for n in np.flatnonzero(fits & (area == size))
        ]
        if found := [match for match in matches if match is not None]:
            return min(found, key=lambda match: match.cost)
    return None


def _match_sites(
    lattice: Lattice, projection: _Projection, turn: IntArray, scale: float
) -> _Match | None:
    """Lay the sites on columns, the first one on each of them in turn."""
    measured = lattice.vectors_px * lattice.stretch
    site = lattice.site_px * lattice.stretch @ np.linalg.inv(measured)
    # All columns of the larger cell, in fractions of it.
    grid = np.array(list(product(range(-2 * REACH, 2 * REACH + 1), repeat=2)))
    back = np.linalg.inv(turn)
    every = ((grid[:, None] + projection.fraction[None]) @ back).reshape(-1, 2)
    kind = np.tile(np.arange(len(projection.fraction)), len(grid))
    inside = ((every > -1e-6) & (every < 1 - 1e-6)).all(1)
    column, kind = every[inside], kind[inside]
    if len(column) < len(site):
        return None
    light, strength = lattice.brightness, projection.strength[kind]
    best: _Match | None = None
    for start in column:
        gap = np.linalg.norm(_apart((site + start)[:, None] - column[None], measured), axis=-1)
        chosen = gap.argmin(1)
        distance = gap.min(1)
        if len(set(chosen)) < len(chosen) or distance.max() > SITE_TOLERANCE * lattice.nearest_px:
            continue
        # Brightness on a logarithmic scale, up to a factor; and the strongest must not be missing.
        misfit = np.log(light) - np.log(strength[chosen])
        missing = np.log(strength.max() / strength[chosen].max())
        cost = float(np.std(misfit) + missing + (distance**2).mean() / lattice.nearest_px**2)
        if best is None or cost < best.cost:
            names = tuple(projection.label[n] for n in kind)
            best = _Match(chosen, distance, scale, cost, names)
    return best
