"""Crystals as they look along a zone axis: a two-dimensional cell of columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.simulate.columns import Columns

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "ATOMIC_NUMBER",
    "MONOLAYERS",
    "ProjectedCell",
    "crystal_names",
    "projected_cell",
    "random_cell",
    "sublattice_border",
    "sublattice_of",
]

ATOMIC_NUMBER = {
    "B": 5, "C": 6, "N": 7, "O": 8, "F": 9, "Mg": 12, "Al": 13, "Si": 14, "P": 15, "S": 16,
    "Ca": 20, "Ti": 22, "V": 23, "Mn": 25, "Fe": 26, "Co": 27, "Ni": 28, "Cu": 29, "Zn": 30,
    "Ga": 31, "Ge": 32, "As": 33, "Se": 34, "Br": 35, "Sr": 38, "Zr": 40, "Nb": 41, "Mo": 42,
    "Pd": 46, "Ag": 47, "Cd": 48, "In": 49, "Te": 52, "Cs": 55, "Ba": 56, "La": 57, "Ce": 58,
    "Ta": 73, "W": 74, "Re": 75, "Pt": 78, "Au": 79, "Pb": 82, "Bi": 83,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ProjectedCell:
    """Repeat of a crystal seen along a zone axis, K columns.

    Parameters
    ----------
    vectors_nm
        Two lattice vectors as rows, shape (2, 2), each (y, x).
    position_nm
        Columns in the cell, shape (K, 2).
    atoms
        What is in each column along one repeat of the zone axis: symbol to number, K of them.
    period_nm
        Repeat along the zone axis; 0 for a monolayer, which does not repeat.
    """

    vectors_nm: NDArray[np.float64]
    position_nm: NDArray[np.float64]
    atoms: tuple[dict[str, float], ...]
    period_nm: float = 0.0

    @property
    def area_per_column_nm2(self) -> float:
        """Area of the cell over its number of columns."""
        return float(abs(np.linalg.det(self.vectors_nm))) / len(self.position_nm)

    def species(self) -> NDArray[np.str_]:
        """The strongest element of each column, shape (K,)."""
        return np.array(
            [max(column, key=lambda s: ATOMIC_NUMBER[s] * column[s]) for column in self.atoms]
        )

    def strength(self, *, exponent: float, thickness_nm: float) -> NDArray[np.float64]:
        """Scattering strength of each column, shape (K,): number of atoms times Z**exponent.

        A cross-section of 5.2e-5 Å2 Z**1.5 an atom lies within 40 % of multislice values for C,
        Si, Mo and W at 60 to 80 kV and 60 to 105 mrad. Columns thicker than about 20 nm gain
        little more, because the probe has spread.
        """
        repeats = 1.0
        if self.period_nm:
            repeats = 20.0 * (1.0 - np.exp(-thickness_nm / 20.0)) / self.period_nm
        per_repeat = [
            sum(count * ATOMIC_NUMBER[symbol] ** exponent for symbol, count in column.items())
            for column in self.atoms
        ]
        return 5.2e-5 * repeats * np.array(per_repeat)

    def tile(
        self, size_nm: tuple[float, float], strength: NDArray[np.float64],
        *, rotation_rad: float, shift_nm: NDArray[np.float64],
    ) -> Columns:  # fmt: skip
        """Fill a field of view of ``size_nm`` (y, x), and one cell beyond, with the crystal."""
        cos, sin = np.cos(rotation_rad), np.sin(rotation_rad)
        turn = np.array([[cos, sin], [-sin, cos]])
        vectors, inside = self.vectors_nm @ turn, self.position_nm @ turn
        height, width = size_nm
        corners = np.array([[0, 0], [0, width], [height, 0], [height, width]]) - shift_nm
        steps = corners @ np.linalg.inv(vectors)
        low, high = np.floor(steps.min(0)).astype(int) - 2, np.ceil(steps.max(0)).astype(int) + 2
        cells = np.stack(
            np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]), indexing="ij"), -1
        ).reshape(-1, 2)
        position = (cells @ vectors)[:, None] + inside[None] + shift_nm
        n_cells = len(cells)
        tiled = Columns(
            position.reshape(-1, 2), np.tile(strength, n_cells), np.tile(self.species(), n_cells),
            np.tile(strength, n_cells),
        )  # fmt: skip
        margin = float(np.sqrt(self.area_per_column_nm2))
        y, x = tiled.position_nm.T
        return tiled.select(
            (y > -margin) & (y < height + margin) & (x > -margin) & (x < width + margin)
        )


def sublattice_border(strength: NDArray[np.float64]) -> float:
    """Strength below which a column of a crystal is light.

    The kinds of columns in order of strength are parted where the ratio of one to the next is
    largest, if that is 0.75 or less; the border is their geometric mean. So in dark field the A
    site of a perovskite is heavy and B-O light; in bright field A and B-O are heavy, oxygen alone
    is light; in MoSe2 Se2 is heavy. Where no kind is so much weaker (metals, GaAs, CdTe) all are
    heavy, and the border is 0.7 of the weakest.

    Parameters
    ----------
    strength
        Of each kind of columns that can be seen, shape (K,). What has less than 0.17 of the
        strongest, as oxygen in dark field, is light, and does not count for where the others are
        parted: it is hardly seen beside them.
    """
    kinds = np.sort(strength[strength > 0.17 * strength.max()])[::-1]
    ratio = kinds[1:] / kinds[:-1]
    if not (ratio < 0.75).any():
        return float(0.7 * kinds[-1])
    widest = int(ratio.argmin())
    return float(np.sqrt(kinds[widest] * kinds[widest + 1]))


def sublattice_of(strength: NDArray[np.float64], border: float) -> NDArray[np.str_]:
    """``heavy`` above a border, ``light`` below, and empty within 10 % of it, shape (N,).

    So a substituted column, or one that lacks atoms, belongs where its strength is.
    """
    between = np.abs(np.log(np.maximum(strength, 1e-12) / border)) < np.log(1.1)
    return np.where(between, "", np.where(strength > border, "heavy", "light"))


def crystal_names() -> tuple[str, ...]:
    """Names that :func:`projected_cell` knows, as ``material`` or ``material[zone]``."""
    return tuple(_MONOLAYERS) + tuple(
        f"{material}[{''.join(map(str, zone))}]"
        for material, (_, zones) in _BULK.items()
        for zone in zones
    )


@cache
def projected_cell(name: str) -> ProjectedCell:
    """Cell of columns of a named crystal.

    Raises
    ------
    KeyError
        When the name is not among :func:`crystal_names`.
    """
    if name in _MONOLAYERS:
        return _MONOLAYERS[name]()
    material, _, zone = name.rstrip("]").partition("[")
    build, zones = _BULK[material]
    for candidate in zones:
        if "".join(map(str, candidate)) == zone:
            return _project(build(), candidate)
    raise KeyError(name)


def random_cell(rng: np.random.Generator) -> ProjectedCell:
    """A lattice that no crystal has: random vectors, one to four sites with random contents."""
    length = rng.uniform(1.0, 1.7)
    angle = np.deg2rad(rng.choice([60.0, 90.0, 120.0, rng.uniform(58, 122)]))
    vectors = np.array([[0.0, 1.0], [length * np.sin(angle), length * np.cos(angle)]])
    sites = [np.zeros(2)]
    n_sites = int(rng.choice([1, 2, 3, 4], p=[0.3, 0.35, 0.2, 0.15]))
    closest = rng.uniform(0.42, 0.62)
    images = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) @ vectors
    for _ in range(40):
        if len(sites) == n_sites:
            break
        candidate = rng.uniform(0, 1, 2) @ vectors
        separation = candidate + images[:, None] - np.array(sites)[None]
        if np.hypot(separation[..., 0], separation[..., 1]).min() > closest:
            sites.append(candidate)
    heavy = list(ATOMIC_NUMBER)
    atoms = tuple({str(rng.choice(heavy)): 1.0} for _ in sites)
    return ProjectedCell(vectors * 0.25, np.array(sites) * 0.25, atoms)


def _honeycomb(
    lattice_nm: float, first: dict[str, float], second: dict[str, float]
) -> ProjectedCell:
    vectors = lattice_nm * np.array([[0.0, 1.0], [np.sqrt(3) / 2, 0.5]])
    return ProjectedCell(vectors, np.array([[0.0, 0.0], vectors.sum(0) / 3]), (first, second))


# Lattice constants in nm: graphene and hBN, then MX2 monolayers (2H), from their bulk crystals.
_MONOLAYERS: dict[str, Callable[[], ProjectedCell]] = {
    "graphene": lambda: _honeycomb(0.246, {"C": 1}, {"C": 1}),
    "hBN": lambda: _honeycomb(0.2504, {"B": 1}, {"N": 1}),
    "MoS2": lambda: _honeycomb(0.316, {"Mo": 1}, {"S": 2}),
    "MoSe2": lambda: _honeycomb(0.329, {"Mo": 1}, {"Se": 2}),
    "WS2": lambda: _honeycomb(0.3155, {"W": 1}, {"S": 2}),
    "WSe2": lambda: _honeycomb(0.3282, {"W": 1}, {"Se": 2}),
    "MoTe2": lambda: _honeycomb(0.352, {"Mo": 1}, {"Te": 2}),
    "WSSe": lambda: _honeycomb(0.322, {"W": 1}, {"S": 1, "Se": 1}),
}


MONOLAYERS = tuple(_MONOLAYERS)


def _bulk(name: str, structure: str, *, a: float, c: float | None = None) -> Callable[[], Atoms]:
    def build() -> Atoms:
        from ase.build import bulk

        return bulk(name, structure, a=a, c=c)

    return build


def _perovskite(a_site: str, b_site: str, anion: str, lattice: float) -> Callable[[], Atoms]:
    def build() -> Atoms:
        from ase import Atoms

        half = 0.5
        fractions = [
            (0, 0, 0), (half, half, half), (half, half, 0), (half, 0, half), (0, half, half),
        ]  # fmt: skip
        return Atoms(
            [a_site, b_site, anion, anion, anion], scaled_positions=fractions,
            cell=[lattice] * 3, pbc=True,
        )  # fmt: skip

    return build


def _rutile(metal: str, lattice: float, height: float, u: float) -> Callable[[], Atoms]:
    def build() -> Atoms:
        from ase import Atoms

        fractions = [
            (0, 0, 0), (0.5, 0.5, 0.5), (u, u, 0), (-u, -u, 0),
            (0.5 + u, 0.5 - u, 0.5), (0.5 - u, 0.5 + u, 0.5),
        ]  # fmt: skip
        return Atoms(
            [metal, metal, "O", "O", "O", "O"], scaled_positions=fractions,
            cell=[lattice, lattice, height], pbc=True,
        )  # fmt: skip

    return build


_CUBIC = ((0, 0, 1), (0, 1, 1), (1, 1, 1))
_ROW = ((0, 0, 1), (0, 1, 1))
_HEXAGONAL = ((0, 0, 1), (1, 0, 0), (2, 1, 0))

# Builders (lattice constants in Å, as ASE wants them) and the zone axes at which columns are seen.
_BULK: dict[str, tuple[Callable[[], Atoms], tuple[tuple[int, int, int], ...]]] = {
    "Au": (_bulk("Au", "fcc", a=4.08), _CUBIC),
    "Pt": (_bulk("Pt", "fcc", a=3.92), _CUBIC),
    "Al": (_bulk("Al", "fcc", a=4.05), _CUBIC),
    "Ni": (_bulk("Ni", "fcc", a=3.52), _ROW),
    "Fe": (_bulk("Fe", "bcc", a=2.87), _CUBIC),
    "W": (_bulk("W", "bcc", a=3.16), _CUBIC),
    "Mg": (_bulk("Mg", "hcp", a=3.21, c=5.21), _HEXAGONAL),
    "Co": (_bulk("Co", "hcp", a=2.51, c=4.07), _HEXAGONAL),
    "Si": (_bulk("Si", "diamond", a=5.43), _ROW),
    "Ge": (_bulk("Ge", "diamond", a=5.66), _ROW),
    "GaAs": (_bulk("GaAs", "zincblende", a=5.65), _ROW),
    "CdTe": (_bulk("CdTe", "zincblende", a=6.48), _ROW),
    "InP": (_bulk("InP", "zincblende", a=5.87), _ROW),
    "ZnO": (_bulk("ZnO", "wurtzite", a=3.25, c=5.2), _HEXAGONAL),
    "MgO": (_bulk("MgO", "rocksalt", a=4.21), _ROW),
    "NiO": (_bulk("NiO", "rocksalt", a=4.18), _ROW),
    "CeO2": (_bulk("CeO2", "fluorite", a=5.41), _ROW),
    "TiO2": (_rutile("Ti", 4.59, 2.96, 0.305), ((0, 0, 1), (1, 0, 0))),
    "SrTiO3": (_perovskite("Sr", "Ti", "O", 3.905), _ROW),
    "BaTiO3": (_perovskite("Ba", "Ti", "O", 4.0), _ROW),
    "PbTiO3": (_perovskite("Pb", "Ti", "O", 3.97), _ROW),
    "LaMnO3": (_perovskite("La", "Mn", "O", 3.88), _ROW),
    "LaAlO3": (_perovskite("La", "Al", "O", 3.79), _ROW),
    "CsPbBr3": (_perovskite("Cs", "Pb", "Br", 5.87), _ROW),
}


def _project(crystal: Atoms, zone: tuple[int, int, int]) -> ProjectedCell:
    """Look along a zone axis: drop the height, and find the repeat of what is left."""
    cell = np.asarray(crystal.cell[:]) / 10.0  # Å to nm
    axis = np.array(zone) @ _conventional(crystal, cell)
    direction = axis / np.linalg.norm(axis)
    first = np.cross(direction, [0.31, 0.27, 0.91])
    plane = np.stack([first / np.linalg.norm(first), np.cross(direction, first)])
    plane[1] /= np.linalg.norm(plane[1])

    steps = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), -1).reshape(-1, 3)
    lattice = steps @ cell
    flat, height = lattice @ plane.T, lattice @ direction
    on_axis = np.hypot(*flat.T) < 1e-6
    period = float(np.min(np.abs(height[on_axis & (np.abs(height) > 1e-6)])))
    vectors = _reduced_vectors(flat)

    position = (lattice[:, None] + np.asarray(crystal.positions)[None] / 10.0).reshape(-1, 3)
    symbols = np.tile(np.array(list(crystal.symbols)), len(lattice))
    fraction = (position @ plane.T) @ np.linalg.inv(vectors)
    level = (position @ direction) / period
    home = (
        (fraction > -1e-6).all(1) & (fraction < 1 - 1e-6).all(1)
        & (level > -1e-6) & (level < 1 - 1e-6)
    )  # fmt: skip
    columns: dict[tuple[float, float], dict[str, float]] = {}
    for site, symbol in zip(np.round(fraction[home], 3) + 0.0, symbols[home], strict=True):
        contents = columns.setdefault((float(site[0]), float(site[1])), {})
        contents[str(symbol)] = contents.get(str(symbol), 0.0) + 1.0
    sites = np.array(list(columns))
    return ProjectedCell(vectors, sites @ vectors, tuple(columns.values()), period)


def _conventional(crystal: Atoms, cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axes that zone indices refer to: the cube of a cubic crystal, the cell of any other."""
    lengths = np.linalg.norm(cell, axis=1)
    angles = crystal.cell.angles()
    if np.allclose(angles, 60, atol=0.1):  # primitive fcc
        return np.diag([float(lengths[0] * np.sqrt(2))] * 3)
    if np.allclose(angles, 109.4712, atol=0.1):  # primitive bcc
        return np.diag([float(lengths[0] * 2 / np.sqrt(3))] * 3)
    return cell


def _reduced_vectors(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two shortest independent vectors of a set of lattice points."""
    length = np.hypot(*flat.T)
    order = np.argsort(length)
    order = order[length[order] > 1e-6]
    first = flat[order[0]]
    for candidate in flat[order[1:]]:
        if abs(np.linalg.det(np.stack([first, candidate]))) > 1e-6:
            return np.stack([first, candidate])
    raise ValueError("the crystal is flat along this axis")
