"""Crystals of known positions, as tables that find_atoms could have returned."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

SHAPE = (330, 291)
SPACING = 14.0  # px between nearest columns


@dataclass(frozen=True)
class Drawn:
    """A table and its truth, row by row."""

    atoms: pd.DataFrame
    vectors: np.ndarray  # (2, 2) in pixels, before strain
    index: np.ndarray  # (N, 3) h, k, site; site -1 for atoms that belong to no site
    ideal: np.ndarray  # (N, 2) in pixels, before strain, displacement and noise
    removed: np.ndarray  # (V, 2) places of the sites that were left empty
    removed_site: np.ndarray  # (V,)


def turned(vectors, angle_deg):
    """Row vectors (y, x) turned anticlockwise as the image is seen."""
    cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.asarray(vectors, float) @ np.array([[cos, sin], [-sin, cos]])


def draw(
    rng, vectors, sites, *, shape=SHAPE, angle_deg=17.0, noise=0.4, amplitude=None, spread=0.08,
    missing=0.0, extra=0.0, displacement=None, by_site=None, region=None, pixel_size_nm=None,
    origin=None,
):  # fmt: skip
    """Draw a crystal: vectors as rows (y, x) in pixels, sites in fractions of the cell."""
    vectors = turned(vectors, angle_deg)
    sites = np.asarray(sites, float)
    reach = int(1.6 * np.hypot(*shape) / np.sqrt(abs(np.linalg.det(vectors)))) + 3
    steps = np.arange(-reach, reach + 1)
    cells = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    index = np.concatenate(
        [np.column_stack([cells, np.full(len(cells), s)]) for s in range(len(sites))]
    )
    start = np.array(shape) / 2 + 0.3 if origin is None else np.asarray(origin)
    ideal = (index[:, :2] + sites[index[:, 2]]) @ vectors + start
    place = ideal.copy()
    if displacement is not None:
        place = place + displacement(ideal)
    if by_site is not None:
        place = place + by_site(ideal, index[:, 2])
    seen = ((place > 0) & (place < np.array(shape) - 1)).all(1)
    if region is not None:
        seen &= region(place)
    index, ideal, place = index[seen], ideal[seen], place[seen]
    empty = rng.uniform(size=len(place)) < missing
    removed, removed_site = place[empty], index[empty, 2]
    index, ideal, place = index[~empty], ideal[~empty], place[~empty]
    place = place + rng.normal(0, 1, place.shape) * noise
    light = np.ones(len(sites)) if amplitude is None else np.asarray(amplitude, float)
    light = light[index[:, 2]] * rng.normal(1, spread, len(index))
    n_extra = int(extra * len(place))
    strays = rng.uniform(2, np.array(shape) - 3, size=(n_extra, 2))
    place = np.vstack([place, strays])
    index = np.vstack([index, np.full((n_extra, 3), -1)])
    ideal = np.vstack([ideal, strays])
    light = np.concatenate([light, rng.uniform(0.3, 1, n_extra)])
    size = pixel_size_nm or (np.nan, np.nan)
    error = np.broadcast_to(noise, place.shape)
    atoms = pd.DataFrame(
        {
            "y_px": place[:, 0], "x_px": place[:, 1],
            "y_nm": place[:, 0] * size[0], "x_nm": place[:, 1] * size[1],
            "y_err_px": error[:, 0], "x_err_px": error[:, 1], "amplitude": 100 * light,
        }
    )  # fmt: skip
    return Drawn(atoms, vectors, index, ideal, removed, removed_site)


HEXAGONAL = np.sqrt(3) * SPACING * np.array([[0, 1], [-np.sqrt(3) / 2, -0.5]])
# name: vectors with a2 anticlockwise of a1, sites, amplitudes
CRYSTALS = {
    "square": (SPACING * np.array([[0, 1], [-1, 0]]), [[0, 0]], [1]),
    "triangular": (SPACING * np.array([[0, 1], [-np.sqrt(3) / 2, -0.5]]), [[0, 0]], [1]),
    "honeycomb": (HEXAGONAL, [[0, 0], [1 / 3, 2 / 3]], [1, 1]),
    "MX2": (HEXAGONAL, [[0, 0], [1 / 3, 2 / 3]], [1, 0.4]),
    "perovskite A, B": (
        SPACING * np.sqrt(2) * np.array([[0, 1], [-1, 0]]), [[0, 0], [0.5, 0.5]], [1, 0.6],
    ),
    "perovskite A, B, O": (
        2 * SPACING * np.array([[0, 1], [-1, 0]]),
        [[0, 0], [0.5, 0.5], [0.5, 0], [0, 0.5]],
        [1, 0.7, 0.3, 0.3],
    ),
    "dumbbells": (
        np.array([[0, 33.25], [-31.35, -11.1]]), [[0, 0], [0.25, 0.25]], [1, 1],
    ),
    "three sites, oblique": (
        np.array([[-2, 30.0], [-25, -6]]), [[0, 0], [0.45, 0.3], [0.2, 0.7]], [1, 0.8, 0.6],
    ),
}  # fmt: skip


@pytest.fixture
def rng():
    return np.random.default_rng(12)


@pytest.fixture(params=list(CRYSTALS))
def crystal(request):
    """Vectors, sites and amplitudes of each crystal in turn."""
    return CRYSTALS[request.param]


@pytest.fixture
def crystals():
    return CRYSTALS


@pytest.fixture
def draw_crystal():
    return draw


@pytest.fixture
def turn():
    return turned
