"""What makes a crystal interesting: vacancies, dopants, turned bonds, displacements, borders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scanseg.simulate.columns import Columns, join

__all__ = [
    "displace",
    "dope",
    "dope_graphene",
    "join_grains",
    "mix",
    "remove_vacancies",
    "rotate_bonds",
]


def remove_vacancies(columns: Columns, rng: np.random.Generator, *, fraction: float) -> Columns:
    """Take away a random fraction of the columns, or half of the strength of a random fraction.

    Half a column is a single chalcogen vacancy in MX2, or a thinner column elsewhere.
    """
    drawn = rng.uniform(size=len(columns))
    weakened = columns.scaled(np.where(drawn < 1.5 * fraction, 0.5, 1.0))
    return weakened.select(drawn >= fraction)


def dope(
    columns: Columns, rng: np.random.Generator, *, fraction: float, factor: float, symbol: str
) -> Columns:
    """Substitute a random fraction of the columns by ones that are ``factor`` times as strong."""
    chosen = rng.uniform(size=len(columns)) < fraction
    return replace(
        columns,
        strength=np.where(chosen, columns.strength * factor, columns.strength),
        species=np.where(chosen, symbol, columns.species),
    )


def mix(columns: Columns, rng: np.random.Generator, *, symbol: str) -> Columns:
    """Make an alloy of four crystals in ten: substitute columns of one species alone.

    Up to half of them by weaker ones (0.3 to 0.8 as strong, as V and Cr for Mo, S for Se), or up to
    a quarter by stronger ones (up to 2.7 times, as W for Mo): were the strong ones more, they would
    be what others are light beside.
    """
    if not len(columns) or rng.uniform() > 0.4:
        return columns
    chosen = columns.species == rng.choice(np.unique(columns.species))
    weaker = rng.uniform() < 0.5
    share = rng.uniform(0.0, 0.5 if weaker else 0.25)
    low, high = (0.3, 0.8) if weaker else (1.2, 2.7)
    factor = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    chosen &= rng.uniform(size=len(columns)) < share
    return replace(
        columns,
        strength=np.where(chosen, columns.strength * factor, columns.strength),
        species=np.where(chosen, symbol, columns.species),
    )


def dope_graphene(
    columns: Columns, rng: np.random.Generator, *, n_dopants: int, silicon_strength: float
) -> Columns:
    """Put silicon into graphene: threefold in place of one carbon, fourfold in a divacancy.

    The neighbours of a threefold Si move out to 0.165 nm: a bond of 0.174 nm that rises 0.054 nm
    out of the plane.
    """
    for _ in range(n_dopants):
        if len(columns) < 20:
            return columns
        site = int(rng.integers(len(columns)))
        tree = cKDTree(columns.position_nm)
        distance, neighbour = tree.query(columns.position_nm[site], k=4)
        position = columns.position_nm.copy()
        centre = position[site]
        gone = [site]
        if rng.uniform() < 0.4:  # fourfold: between two carbons that both go
            partner = int(neighbour[1])
            centre = (position[site] + position[partner]) / 2
            gone.append(partner)
        else:
            bond = position[neighbour[1:]] - centre
            # Where defects crowd, an atom may lie on the site: it stays.
            farther = 0.165 / np.maximum(distance[1:, None], 1e-6)
            position[neighbour[1:]] = centre + bond * farther
        strength = np.array([silicon_strength])
        silicon = Columns(centre[None], strength, np.array(["Si"]), strength)
        kept = np.ones(len(columns), bool)
        kept[gone] = False
        columns = join(columns.moved(position).select(kept), silicon)
    return columns


def rotate_bonds(columns: Columns, rng: np.random.Generator, *, n_bonds: int) -> Columns:
    """Turn nearest-neighbour bonds by 90 degrees about their middle (Stone–Wales, 5-7-7-5)."""
    position = columns.position_nm.copy()
    for _ in range(n_bonds):
        if len(position) < 20:
            break
        site = int(rng.integers(len(position)))
        _, neighbour = cKDTree(position).query(position[site], k=2)
        partner = int(neighbour[1])
        middle = (position[site] + position[partner]) / 2
        half = 0.92 * (position[site] - middle)  # the turned bond is shorter: 0.131 nm for 0.142
        turned = np.array([-half[1], half[0]])
        _relax_around(position, middle, (site, partner))
        position[site], position[partner] = middle + turned, middle - turned
    return columns.moved(position)


def displace(
    columns: Columns, rng: np.random.Generator, *, rms_nm: float, polar_nm: float = 0.0
) -> Columns:
    """Move every column at random, and one species against the others along one direction."""
    position = columns.position_nm + rng.normal(0, rms_nm, columns.position_nm.shape)
    if polar_nm and len(columns):
        angle = rng.uniform(0, 2 * np.pi)
        moving = columns.species == rng.choice(np.unique(columns.species))
        position = position + polar_nm * moving[:, None] * [np.sin(angle), np.cos(angle)]
    return columns.moved(position)


def join_grains(
    first: Columns, second: Columns, *, in_second: NDArray[np.bool_],
    in_second_too: NDArray[np.bool_], closest_nm: float,
) -> Columns:  # fmt: skip
    """Two grains side by side; of two columns closer than ``closest_nm`` the second's goes.

    Parameters
    ----------
    in_second, in_second_too
        For each column of the first and of the second grain, whether it lies on the second's side.
    """
    kept, added = first.select(~in_second), second.select(in_second_too)
    if len(kept) and len(added):
        distance, _ = cKDTree(kept.position_nm).query(added.position_nm)
        added = added.select(distance >= closest_nm)
    return join(kept, added)


def _relax_around(
    position: NDArray[np.float64], middle: NDArray[np.float64], bond: tuple[int, int]
) -> None:
    """Push the surroundings of a turned bond outward by a few per cent, in place."""
    away = position - middle
    distance = np.hypot(*away.T)
    push = 0.02 * np.exp(-((distance / 0.25) ** 2))
    push[list(bond)] = 0.0
    position += away / np.maximum(distance, 1e-9)[:, None] * push[:, None]
