"""What a PFM scan shows: single crystals, twins, blocks of twins, polycrystals, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scanseg.micrograph import FloatImage
from scanseg.simulate.domains import (
    Domains,
    Grains,
    Labyrinth,
    add_lamellae,
    draw_grains,
    draw_lamellae,
    gaussian_mesh,
    pole_box,
    sample_mesh,
    uniform_domain,
)
from scanseg.simulate.scenery import rough_field, smooth_field

__all__ = ["DomainLayout", "MovingWalls", "Sizes", "draw_domains", "draw_scan_positions"]

DomainLayout = Literal["domains", "twins", "blocks", "grains", "empty"]

# Finest mesh of the polarisation over a field of view of 256 px: 200 steps of 160² take 10 ms.
FINEST_CELL_PX = 1.8


@dataclass(frozen=True, slots=True)
class Sizes:
    """Typical lengths of a scene in pixels.

    Parameters
    ----------
    domain_px
        Width of 180° domains.
    period_px
        Distance of neighbouring a lamellae.
    grain_px
        Size of grains.
    wall_px
        Half width of a wall's image.
    """

    domain_px: float
    period_px: float
    grain_px: float
    wall_px: float


@dataclass(frozen=True, slots=True, eq=False)
class MovingWalls:
    """Up and down domains that can be relaxed further under a field.

    Parameters
    ----------
    labyrinth
        Polarisation on a mesh.
    row, column
        Where on the mesh each pixel lies, shape (height, width).
    """

    labyrinth: Labyrinth
    row: FloatImage
    column: FloatImage

    def level(self) -> FloatImage:
        """Polarisation at each pixel."""
        return np.asarray(sample_mesh(self.labyrinth.polarisation, self.row, self.column))

    def after(self, *, applied_field: float, n_steps: int) -> MovingWalls:
        """The same walls after a time under a field."""
        moved = self.labyrinth.relaxed(applied_field=applied_field, n_steps=n_steps)
        return replace(self, labyrinth=moved)


def draw_scan_positions(
    shape: tuple[int, int], rng: np.random.Generator, *, disorder: float
) -> tuple[FloatImage, FloatImage]:
    """Where the tip was at each pixel, (y, x) in pixels: drift, shear, and creep of first lines."""
    height, width = shape
    i = np.arange(height, dtype=np.float32)[:, None]
    j = np.arange(width, dtype=np.float32)[None]
    along = (i - height / 2) / height
    stretch, shear, bend_y, bend_x = 0.02 * disorder * rng.normal(size=4) * height
    creep = disorder * rng.exponential(1.5) * np.exp(-i / (0.08 * height))
    y = i + np.float32(stretch) * along + np.float32(bend_y) * along**2 + creep
    x = j + np.float32(shear) * along + np.float32(bend_x) * along**2
    full = np.zeros(shape, np.float32)
    return np.asarray(y + full, np.float32), np.asarray(x + full, np.float32)


def draw_domains(
    rng: np.random.Generator, shape: tuple[int, int], layout: DomainLayout, sizes: Sizes,
    *, disorder: float,
) -> tuple[Domains, MovingWalls | None]:  # fmt: skip
    """Domains of a layout, and what their 180° walls can move on from where a field drives them."""
    domains = uniform_domain(*draw_scan_positions(shape, rng, disorder=disorder))
    if layout == "empty":
        return _uneven(domains, rng), None
    if layout != "domains":
        domains = _add_twins(domains, rng, layout, sizes)
    moving = None
    if layout == "domains" or rng.uniform() < 0.7:
        domains, moving = _add_180_walls(domains, rng, sizes, disorder=disorder)
    if rng.uniform() < 0.1 * disorder:
        size = rng.uniform(0.15, 0.6, 2) * min(shape)
        domains = pole_box(domains, rng, size_px=(size[0], size[1]), up=rng.uniform() < 0.5)
    return _uneven(domains, rng), moving


def _add_twins(
    domains: Domains, rng: np.random.Generator, layout: DomainLayout, sizes: Sizes
) -> Domains:
    reach = float(np.hypot(*domains.y.shape))
    axis = float(rng.uniform(0, np.pi))
    narrowest = max(2.5, 0.8 * sizes.wall_px)
    shear = float(rng.choice([0.0, rng.uniform(0.1, 0.9)], p=[0.4, 0.6]))
    grains = Grains(domains.grain, domains.grain_distance, 1)
    closing, angle = 0.0, np.array([axis])
    if layout == "blocks":
        grains = draw_grains(
            domains.y, domains.x, rng, size_px=sizes.grain_px, form="square", rotation_rad=axis
        )
        closing = rng.uniform(1.0, 5.0)
        angle = axis + np.pi / 2 * rng.integers(0, 2, grains.count)
    elif layout == "grains":
        grains = draw_grains(domains.y, domains.x, rng, size_px=sizes.grain_px, form="round")
        angle = rng.uniform(0, np.pi, grains.count)
    share = float(rng.choice([1.0, rng.uniform(0.3, 1.0)]))
    n_families = 2 if layout == "twins" and rng.uniform() < 0.5 else 1
    for family in range(n_families):
        lamellae = draw_lamellae(
            rng, angle_rad=angle + family * np.pi / 2, period_px=sizes.period_px,
            narrowest_px=narrowest, share=share, reach_px=reach, boundary_taper_px=closing,
        )  # fmt: skip
        domains = add_lamellae(domains, grains, lamellae, shear=shear)
    if layout == "grains":
        per_grain = rng.uniform(0.35, 1.0, grains.count).astype(np.float32)
        domains = replace(domains, strength=per_grain[grains.label])
    return domains


def _add_180_walls(
    domains: Domains, rng: np.random.Generator, sizes: Sizes, *, disorder: float
) -> tuple[Domains, MovingWalls | None]:
    y, x = _stretched(domains.y, domains.x, rng)
    rough_px = disorder * float(rng.choice([0.0, rng.uniform(0.02, 0.12)])) * sizes.domain_px
    if rough_px:
        # A wall's roughness grows with length^0.26 (Paruch, Phys. Rev. Lett. 94, 197601, 2005),
        # which a field of exponent 1.26 gives along any line of it.
        y = y + np.float32(rough_px) * rough_field(y.shape, rng, exponent=1.26)
        x = x + np.float32(rough_px) * rough_field(x.shape, rng, exponent=1.26)
    if rng.uniform() < 0.5:
        moving = _draw_labyrinth(y, x, rng, sizes.domain_px)
        return replace(domains, level=moving.level()), moving
    cell_px = sizes.domain_px / 4.0
    row, column, mesh_shape = _mesh_for(y, x, cell_px)
    level = sample_mesh(gaussian_mesh(mesh_shape, rng, band=8.0), row, column)
    level -= np.float32(rng.normal(0, 0.5))
    if rng.uniform() < 0.5:  # domains in a part of the field of view only
        slow = smooth_field(domains.y.shape, rng, feature_px=0.6 * max(domains.y.shape))
        level -= np.float32(rng.uniform(0.3, 1.5)) * slow
    return replace(domains, level=level), None


def _stretched(
    y: FloatImage, x: FloatImage, rng: np.random.Generator
) -> tuple[FloatImage, FloatImage]:
    """Coordinates that make domains longer along a direction, by up to three times."""
    factor = float(rng.choice([1.0, rng.uniform(1.0, 3.0)]))
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = (cos * y + sin * x) / np.float32(factor), cos * x - sin * y
    return along.astype(np.float32), across.astype(np.float32)


def _draw_labyrinth(
    y: FloatImage, x: FloatImage, rng: np.random.Generator, domain_px: float
) -> MovingWalls:
    """A quench that is stopped when domains are some cells wide; they grow as 2 sqrt(t)."""
    cells = rng.uniform(5.0, float(np.clip(domain_px / FINEST_CELL_PX, 5.5, 13.0)))
    row, column, mesh_shape = _mesh_for(y, x, domain_px / cells)
    labyrinth = Labyrinth.draw(
        mesh_shape, rng, pinning=rng.uniform(0.05, 0.45), start=rng.normal(0, 0.02)
    )
    field = float(rng.choice([0.0, rng.normal(0, 0.03)]))
    relaxed = labyrinth.relaxed(applied_field=field, n_steps=int(5 * (cells / 2) ** 2))
    return MovingWalls(relaxed, row, column)


def _mesh_for(
    y: FloatImage, x: FloatImage, cell_px: float
) -> tuple[FloatImage, FloatImage, tuple[int, int]]:
    """Positions in cells, and the shape of a mesh that covers them with a margin."""
    row, column = (y - y.min()) / np.float32(cell_px), (x - x.min()) / np.float32(cell_px)
    return row, column, (int(row.max()) + 6, int(column.max()) + 6)


def _uneven(domains: Domains, rng: np.random.Generator) -> Domains:
    """Strength that varies by 5 to 50 %: thickness, strain, composition."""
    slow = smooth_field(domains.y.shape, rng, feature_px=256 * 20.0 ** -rng.uniform())
    factor = np.exp(np.float32(rng.uniform(0.05, 0.5)) * np.clip(slow, -2, 2))
    return replace(domains, strength=domains.strength * factor)
