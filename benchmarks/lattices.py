"""Plain crystals with exact positions: Gaussian columns and Poisson counts, nothing of scanseg's.

Used where scanseg is compared with another program: neither was shaped by this generator, and both
see the same files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KINDS = ("graphene", "perovskite")


@dataclass(frozen=True)
class Crystal:
    """A simulated image with its truth; N columns."""

    counts: NDArray[np.uint16]  # (height, width)
    position_px: NDArray[np.float64]  # (N, 2) as (y, x); up to a spacing outside the image
    amplitude: NDArray[np.float64]  # (N,) counts at the peak
    spacing_px: float  # between nearest columns
    sigma_px: float
    background: float  # counts a pixel

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which columns have their centre on a pixel of the image; shape (N,)."""
        return is_inside(self.position_px, self.counts.shape)


def is_inside(position_px: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which positions lie on a pixel; shape (N,). The others are seen by a flank, if at all."""
    return ((position_px > -0.5) & (position_px < np.array(shape) - 0.5)).all(axis=1)


def draw_crystal(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    kind: str,
    spacing_px: float | None = None,
    peak_counts: float | None = None,
) -> Crystal:
    """One crystal that fills the image.

    Parameters
    ----------
    rng
        Source of the rotation, the displacements, the contrast and the counts.
    shape
        (height, width) of the image.
    kind
        ``graphene``: a honeycomb with 2 % of heavy atoms. ``perovskite``: heavy columns on the
        corners of a square and light ones in its centre.
    spacing_px
        Distance of nearest columns; drawn from 12.5 to 21 px where not given.
    peak_counts
        Counts of a light column at its peak; drawn from 25 to 100 where not given.
    """
    spacing = spacing_px or float(rng.uniform(12.5, 21))
    peak = peak_counts or float(np.exp(rng.uniform(np.log(25), np.log(100))))
    sigma = spacing * float(rng.uniform(0.18, 0.24))
    background = peak * float(rng.uniform(0.1, 0.4))
    position, heavy = _sites(rng, shape, kind, spacing)
    # Thermal and static displacements of a twentieth of the spacing keep refinement honest: no
    # position can be had from the lattice.
    position = position + rng.normal(0, 0.05 * spacing, position.shape)
    amplitude = peak * np.where(heavy, rng.uniform(2.5, 4), 1) * rng.normal(1, 0.03, len(position))
    expected = render(shape, position, amplitude, sigma) + background
    counts = rng.poisson(expected).astype(np.uint16)
    return Crystal(counts, position, amplitude, spacing, sigma, background)


def render(
    shape: tuple[int, int],
    position_px: NDArray[np.float64],
    amplitude: NDArray[np.float64],
    sigma_px: float,
) -> NDArray[np.float64]:
    """Sum of Gaussians, point-sampled, cut off at 5 sigma (4e-6 of the peak)."""
    image = np.zeros(shape)
    reach = int(np.ceil(5 * sigma_px))
    for (y, x), height in zip(position_px, amplitude, strict=True):
        top, left = max(0, round(y) - reach), max(0, round(x) - reach)
        bottom, right = min(shape[0], round(y) + reach + 1), min(shape[1], round(x) + reach + 1)
        if bottom <= top or right <= left:  # it is out of sight
            continue
        along_y = np.exp(-((np.arange(top, bottom) - y) ** 2) / (2 * sigma_px**2))
        along_x = np.exp(-((np.arange(left, right) - x) ** 2) / (2 * sigma_px**2))
        image[top:bottom, left:right] += height * along_y[:, None] * along_x
    return image


def disc_mask(crystal: Crystal, *, radius_spacings: float = 0.25) -> NDArray[np.bool_]:
    """Discs on the columns, as networks are trained on; shape (height, width)."""
    mask = np.zeros(crystal.counts.shape, bool)
    radius = radius_spacings * crystal.spacing_px
    reach = int(np.ceil(radius))
    for y, x in crystal.position_px:
        top, left = max(0, round(y) - reach), max(0, round(x) - reach)
        rows = np.arange(top, min(mask.shape[0], round(y) + reach + 1))[:, None]
        cols = np.arange(left, min(mask.shape[1], round(x) + reach + 1))
        window = mask[top : top + len(rows), left : left + len(cols)]
        window |= (rows - y) ** 2 + (cols - x) ** 2 <= radius**2
    return mask


def _sites(
    rng: np.random.Generator, shape: tuple[int, int], kind: str, spacing: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Ideal sites that cover the image, and which of them are heavy."""
    if kind == "graphene":
        side = spacing * np.sqrt(3)
        vectors = side * np.array([[0.0, 1.0], [np.sqrt(3) / 2, 0.5]])
        basis = np.array([[0.0, 0.0], vectors.sum(axis=0) / 3])
    elif kind == "perovskite":
        vectors = spacing * np.sqrt(2) * np.eye(2)
        basis = np.array([[0.0, 0.0], vectors.sum(axis=0) / 2])
    else:
        raise ValueError(f"unknown kind '{kind}', known are {', '.join(KINDS)}")
    reach = int(np.hypot(*shape) / np.linalg.norm(vectors, axis=1).min() / 1.5) + 2
    steps = np.arange(-reach, reach + 1)
    cells = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2) @ vectors
    site = (cells[:, None] + basis).reshape(-1, 2)
    first = np.tile([True, False], len(cells))
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    position = site @ turn + np.array(shape) / 2 + rng.uniform(-spacing, spacing, 2)
    near = ((position > -spacing) & (position < np.array(shape) + spacing)).all(axis=1)
    position, first = position[near], first[near]
    return position, first if kind == "perovskite" else rng.uniform(size=len(position)) < 0.02
