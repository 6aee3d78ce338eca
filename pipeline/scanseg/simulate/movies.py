"""Movies of atoms whose identity is known: a drifting honeycomb with dopants that jump.

What is simulated are positions, not images: linking is to be tried apart from finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from scanseg.config import Config

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["AtomMovie", "MovieFrame", "observe_atoms", "simulate_atom_movie"]


class AtomMovie(Config):
    """A movie of graphene-like carbon with silicon in it, as positions.

    Rates are per frame and atom of that kind.
    """

    n_frames: PositiveInt = 100
    """Length of the movie."""
    shape: tuple[PositiveInt, PositiveInt] = (300, 400)
    """(height, width) of a frame in pixels."""
    spacing_px: PositiveFloat = 14.0
    """Distance of nearest atoms."""
    dopant_fraction: float = 0.02
    """Part of the sites that silicon has."""
    vacancy_fraction: float = 0.01
    """Part of the sites that are empty."""
    drift_px: NonNegativeFloat = 2.0
    """Standard deviation of the drift from frame to frame, along each axis."""
    mean_drift_px: tuple[float, float] = (0.3, -0.5)
    """Drift from frame to frame that stays the same, (y, x)."""
    vibration: NonNegativeFloat = 0.03
    """Standard deviation of an atom about its site, in spacings."""
    exchange_rate: NonNegativeFloat = 0.03
    """How often a dopant exchanges its place with a neighbour."""
    hop_rate: NonNegativeFloat = 0.05
    """How often a neighbour of a vacancy hops into it, for each vacancy."""


@dataclass(frozen=True, slots=True, eq=False)
class MovieFrame:
    """The atoms in the field of view of a frame, N of them.

    Parameters
    ----------
    position_px
        (y, x), shape (N, 2).
    species
        ``C`` or ``Si``, shape (N,).
    identity
        Number of the atom, the same in every frame, shape (N,).
    jumped
        Whether the atom has changed its site since the frame before, shape (N,).
    drift_px
        (y, x) since the first frame.
    """

    position_px: NDArray[np.float64]
    species: NDArray[np.object_]
    identity: NDArray[np.int64]
    jumped: NDArray[np.bool_]
    drift_px: NDArray[np.float64]


def simulate_atom_movie(config: AtomMovie, rng: np.random.Generator) -> Iterator[MovieFrame]:
    """Yield the frames of a movie, one at a time.

    Parameters
    ----------
    config
        What is drawn.
    rng
        Source of everything that is drawn.
    """
    from scipy.spatial import cKDTree

    # Room for the drift of the whole movie, within reason.
    walk = 3 * config.drift_px * np.sqrt(config.n_frames)
    reach = np.array(config.shape) / 2 + np.minimum(
        walk + np.abs(config.mean_drift_px) * config.n_frames, 2 * max(config.shape)
    )
    sites = _honeycomb(reach, config.spacing_px) + np.array(config.shape) / 2
    near = cKDTree(sites).query(sites, k=4)[1][:, 1:]
    atom_on = np.arange(len(sites))  # number of the atom of each site, -1 for none
    atom_on[rng.random(len(sites)) < config.vacancy_fraction] = -1
    silicon = rng.random(len(sites)) < config.dopant_fraction
    drift = np.zeros(2)
    for number in range(config.n_frames):
        before = atom_on.copy()
        if number:
            drift = drift + rng.normal(config.mean_drift_px, config.drift_px)
            _exchange(atom_on, silicon, near, config.exchange_rate, rng)
            _hop(atom_on, near, config.hop_rate, rng)
        place = sites + drift + rng.normal(0, config.vibration * config.spacing_px, sites.shape)
        seen = (atom_on >= 0) & ((place > 0) & (place < np.array(config.shape) - 1)).all(1)
        atom = atom_on[seen]
        yield MovieFrame(
            place[seen], np.where(silicon[atom], "Si", "C").astype(object), atom,
            (before != atom_on)[seen], drift,
        )  # fmt: skip


def observe_atoms(
    frame: MovieFrame, rng: np.random.Generator, *, err_px: float, missing: float = 0.0,
    extra: float = 0.0, misnamed: float = 0.0,
) -> DataFrame:  # fmt: skip
    """What a finder would list: positions with errors, atoms missing, and some that are none.

    Parameters
    ----------
    frame
        The truth.
    rng
        Source of the errors.
    err_px
        One standard deviation along each axis.
    missing, extra, misnamed
        Parts of the atoms that are not listed, that are listed and are none, whose class is wrong.

    Returns
    -------
    atoms
        ``atom``, ``y_px``, ``x_px``, ``class``, and ``identity`` (-1 for what is no atom).
    """
    from pandas import DataFrame

    listed = rng.random(len(frame.identity)) >= missing
    position = frame.position_px[listed] + rng.normal(0, err_px, (int(listed.sum()), 2))
    low, high = frame.position_px.min(0), frame.position_px.max(0)
    ghosts = rng.uniform(low, high, (rng.poisson(extra * len(position)), 2))
    species = np.concatenate([frame.species[listed], np.full(len(ghosts), "C", object)])
    wrong = rng.random(len(species)) < misnamed
    species[wrong] = np.where(species[wrong] == "C", "Si", "C")
    position = np.concatenate([position, ghosts])
    order = np.lexsort(position.T[::-1])
    identity = np.concatenate([frame.identity[listed], np.full(len(ghosts), -1)])
    return DataFrame(
        {
            "atom": np.arange(len(position)),
            "y_px": position[order, 0],
            "x_px": position[order, 1],
            "class": species[order],
            "identity": identity[order],
        }
    )


def _honeycomb(reach: NDArray[np.float64], spacing: float) -> NDArray[np.float64]:
    """Sites of a honeycomb up to some distances from the origin."""
    rows = int(reach[0] / (1.5 * spacing)) + 2
    columns = int(reach[1] / (np.sqrt(3) * spacing)) + 2
    r, c = np.meshgrid(np.arange(-rows, rows), np.arange(-columns, columns), indexing="ij")
    y, x = 1.5 * spacing * r, np.sqrt(3) * spacing * (c + 0.5 * (r % 2))
    sites = [np.stack([y + up, x], -1).reshape(-1, 2) for up in (0.0, spacing)]
    return np.concatenate(sites)


def _exchange(
    atom_on: NDArray[np.int64], silicon: NDArray[np.bool_], near: NDArray[np.int64], rate: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Some dopants change places with a neighbour, in place."""
    holders = np.flatnonzero((atom_on >= 0) & silicon[atom_on])
    moved: set[int] = set()
    for site in holders[rng.random(len(holders)) < rate].tolist():
        other = int(rng.choice(near[site]))
        if atom_on[other] < 0 or silicon[atom_on[other]] or {site, other} & moved:
            continue
        atom_on[site], atom_on[other] = atom_on[other], atom_on[site]
        moved |= {site, other}


def _hop(
    atom_on: NDArray[np.int64], near: NDArray[np.int64], rate: float, rng: np.random.Generator
) -> None:
    """Neighbours hop into some of the vacancies, in place."""
    empty = np.flatnonzero(atom_on < 0)
    for site in empty[rng.random(len(empty)) < rate].tolist():
        other = int(rng.choice(near[site]))
        if atom_on[other] >= 0:
            atom_on[site], atom_on[other] = atom_on[other], -1
