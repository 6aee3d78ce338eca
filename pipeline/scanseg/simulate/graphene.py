"""A sheet of graphene as it lies in the microscope: silicon, vacancies, holes, dirt on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scanseg.micrograph import FloatImage
from scanseg.simulate.columns import VACANCY, Columns, join
from scanseg.simulate.defects import displace, dope_graphene, rotate_bonds
from scanseg.simulate.scenery import granular_field, smooth_field

__all__ = ["damaged_sheet", "draw_dirt", "grains_of"]

BOND_NM = 0.142
# Si scatters (14/6)**1.64 = 4 times as much as C; frames of one series had 3 to 5.5.
SILICON_OVER_CARBON = (2.8, 5.5)
# Si atoms side by side in a multivacancy (Si2C5 to Si4C6).
SILICON_APART_NM = (0.21, 0.25)
# A sheet of fewer atoms has no room for more defects.
FEWEST = 20
# Defects keep this distance, so that two vacancies are not one hole.
APART_NM = 0.45
# What two atoms that lost a neighbour are apart when they have bonded over a vacancy.
BRIDGED_NM = (0.17, 0.22)


def damaged_sheet(columns: Columns, rng: np.random.Generator) -> Columns:
    """Draw the defects of a sheet of graphene.

    Parameters
    ----------
    columns
        A sheet, carbon at every site.
    rng
        Source of what is drawn.

    Returns
    -------
    columns
        Silicon in place of one carbon (bound to three) or of two (to four), and in groups of two to
        five; turned bonds; holes with silicon at their rim in some. Where one carbon is missing, or
        two side by side (5-8-5), there is a site of species ``VACANCY`` in the middle of the gap,
        which scatters nothing. In larger holes there is none.
    """
    if len(columns) < FEWEST:
        return columns
    silicon = float(columns.strength[0]) * rng.uniform(*SILICON_OVER_CARBON)
    if rng.uniform() < 0.25:
        columns = _punched(columns, rng, silicon)
    if rng.uniform() < 0.3:
        columns = rotate_bonds(columns, rng, n_bonds=int(rng.integers(1, 4)))
    if rng.uniform() < 0.35:
        for _ in range(int(rng.integers(1, 4))):
            columns = _silicon_group(columns, rng, silicon)
    if rng.uniform() < 0.7:
        carbon = columns.species == "C"
        doped = dope_graphene(
            columns.select(carbon), rng, n_dopants=int(rng.integers(1, 9)),
            silicon_strength=silicon,
        )  # fmt: skip
        columns = _without_crowding(join(doped, columns.select(~carbon)))
    if rng.uniform() < 0.7:
        columns = _with_vacancies(columns, rng, n=int(rng.integers(1, 33)))
    return displace(columns, rng, rms_nm=BOND_NM * rng.uniform(0.0, 0.04))


def draw_dirt(
    shape: tuple[int, int], rng: np.random.Generator, *, spacing_px: float
) -> tuple[FloatImage, FloatImage]:
    """Hydrocarbon on a sheet: brighter than any atom in it, granular, and smooth at a distance.

    Returns
    -------
    brightness, speckle
        In heights of a carbon atom, shape (height, width): the mean, and the rms of what varies
        from grain to grain.
    """
    size = spacing_px * float(np.exp(rng.uniform(np.log(2.0), np.log(25.0))))
    cover = smooth_field(shape, rng, feature_px=size) - rng.uniform(-0.4, 1.6)
    # A sharp rim in some, a slope in others.
    cover = np.clip(cover * rng.uniform(1.0, 8.0), 0.0, rng.uniform(0.6, 1.5))
    brightness = np.float32(np.exp(rng.uniform(np.log(1.0), np.log(20.0)))) * cover
    uneven = smooth_field(shape, rng, feature_px=rng.uniform(1.0, 4.0) * spacing_px)
    brightness = np.asarray(brightness * np.exp(np.clip(0.25 * uneven, -0.7, 0.7)), np.float32)
    return brightness, np.asarray(brightness * rng.uniform(0.03, 0.45), np.float32)


def grains_of(speckle: FloatImage, rng: np.random.Generator, *, spacing_px: float) -> FloatImage:
    """Dirt's grains, from as fine as an atom to three spacings, shape (height, width).

    In half of the images they are bright spots with dark between them, as atoms are.
    """
    grain = spacing_px * rng.uniform(0.25, 0.9)
    grains = granular_field(speckle.shape, rng, grain_px=grain)
    if rng.uniform() < 0.5:
        grains = np.exp(np.clip(grains, -3.0, 3.0))
        grains = (grains - grains.mean()) / max(float(grains.std()), 1e-6)
    return np.asarray(speckle * grains, np.float32)


def _punched(columns: Columns, rng: np.random.Generator, silicon: float) -> Columns:
    """Holes of 0.3 to 1.2 nm, some with silicon at their rim."""
    for _ in range(int(rng.integers(1, 3))):
        if len(columns) < FEWEST:
            break
        centre = columns.position_nm[rng.integers(len(columns))]
        away = columns.position_nm - centre
        angle = np.arctan2(away[:, 0], away[:, 1])
        lobes = 1 + 0.25 * np.cos(3 * angle + rng.uniform(0, 6.3)) + 0.2 * np.cos(2 * angle)
        distance = np.hypot(*away.T) / lobes
        radius = rng.uniform(0.3, 1.2)
        columns = columns.select(distance > radius)
        if rng.uniform() < 0.5:
            rim = np.flatnonzero(distance[distance > radius] < radius + 0.12)
            chosen = rim[rng.uniform(size=len(rim)) < rng.uniform(0.1, 0.5)]
            columns = _as_silicon(columns, chosen, silicon)
    return _without_crowding(columns)


def _silicon_group(columns: Columns, rng: np.random.Generator, silicon: float) -> Columns:
    """Two to five neighbours become silicon, farther apart, and push carbon out."""
    if len(columns) < FEWEST:
        return columns
    first = columns.position_nm[rng.integers(len(columns))]
    number = int(rng.integers(2, 6))
    _, chosen = cKDTree(columns.position_nm).query(first, k=number)
    place = columns.position_nm[chosen]
    middle = place.mean(0)
    nearest = cKDTree(place).query(place, k=2)[0][:, 1].min()
    wider = middle + (place - middle) * (rng.uniform(*SILICON_APART_NM) / nearest)
    position = columns.position_nm.copy()
    position[chosen] = wider
    return _without_crowding(_as_silicon(columns.moved(position), chosen, silicon))


def _as_silicon(columns: Columns, chosen: NDArray[np.intp], silicon: float) -> Columns:
    strength, species = columns.strength.copy(), columns.species.astype("<U8")
    strength[chosen], species[chosen] = silicon, "Si"
    return replace(columns, strength=strength, species=species)


def _without_crowding(columns: Columns) -> Columns:
    """Of carbon nearer than 0.15 nm to silicon, and silicon nearer than 0.19, the one goes."""
    is_silicon = columns.species == "Si"
    if not is_silicon.any():
        return columns
    kept = np.ones(len(columns), bool)
    at = np.flatnonzero(is_silicon)
    tree = cKDTree(columns.position_nm[at])
    for one, other in tree.query_pairs(0.19):
        kept[at[max(one, other)]] = False
    tree = cKDTree(columns.position_nm[at[kept[at]]])
    distance, _ = tree.query(columns.position_nm)
    return columns.select(kept & (is_silicon | (distance > 0.15)))


def _with_vacancies(columns: Columns, rng: np.random.Generator, *, n: int) -> Columns:
    """Take single carbons and pairs, apart from each other and from silicon."""
    if len(columns) < FEWEST:
        return columns
    position = columns.position_nm.copy()
    tree = cKDTree(position)
    taken = [*position[columns.species == "Si"]]
    kept = np.ones(len(columns), bool)
    gaps: list[NDArray[np.float64]] = []
    for site in rng.permutation(len(columns))[: 4 * n]:
        if len(gaps) == n:
            break
        distance, near = tree.query(columns.position_nm[site], k=4)
        whole = distance[3] < 1.25 * BOND_NM
        pair = rng.uniform() < 0.35
        gone = [int(site), int(near[1])] if pair else [int(site)]
        gap = columns.position_nm[gone].mean(0)
        if not whole or (taken and np.hypot(*(np.array(taken) - gap).T).min() < APART_NM):
            continue
        if rng.uniform() < 0.6:
            _bridge(position, columns.position_nm, tree, gone, rng)
        kept[gone] = False
        taken.append(gap)
        gaps.append(gap)
    if not gaps:
        return columns
    left = columns.moved(position).select(kept)
    nothing = np.zeros(len(gaps))
    empty = Columns(np.array(gaps), nothing, np.full(len(gaps), VACANCY), nothing)
    return join(left, empty)


def _bridge(
    position: NDArray[np.float64], before: NDArray[np.float64], tree: cKDTree, gone: list[int],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Two neighbours of each missing carbon bond with each other: 5-9, or 5-8-5; in place."""
    apart = rng.uniform(*BRIDGED_NM)
    for site in gone:
        distance, near = tree.query(before[site], k=4)
        loose = [int(n) for n, d in zip(near[1:], distance[1:], strict=True)
                 if n not in gone and d < 1.25 * BOND_NM]  # fmt: skip
        if len(loose) < 2:
            continue
        one, other = rng.permutation(loose)[:2]
        middle = (before[one] + before[other]) / 2
        half = before[one] - middle
        half *= apart / 2 / max(float(np.hypot(*half)), 1e-9)
        position[one], position[other] = middle + half, middle - half
