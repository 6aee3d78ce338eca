"""The surface under a PFM scan: what topography shows, and what it does to the piezoresponse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scanseg.micrograph import FloatImage
from scanseg.simulate.domains import Domains
from scanseg.simulate.piezoresponse import Tip, blur
from scanseg.simulate.scenery import rough_field

__all__ = ["Surface", "draw_surface", "scan_topography"]

# The field reaches further than the contact: PFM resolves less than its own topography.
TIP_OF_WALL = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A surface, shape (height, width).

    Parameters
    ----------
    height_nm
        Its height.
    dirt
        Share of the response that dust and scratches take away, 0 to 1.
    """

    height_nm: FloatImage
    dirt: FloatImage


def draw_surface(
    domains: Domains, rng: np.random.Generator, *,
    pixel_size_nm: float, wall_px: float, grooves: bool, disorder: float,
) -> Surface:  # fmt: skip
    """Mounds, grooves between grains, the tilts of twins, dust and scratches.

    One tip touches the surface and senses the domains under it, so both are blurred with the width
    of a wall, the surface less.
    """
    shape = domains.y.shape
    roughness_nm = float(0.3 * 20.0 ** rng.uniform())
    height = np.float32(roughness_nm) * rough_field(
        shape, rng, exponent=rng.uniform(1.2, 2.6), finest_px=rng.uniform(1.0, 4.0)
    )
    if grooves and rng.uniform() < 0.8:
        dome_px = np.minimum(domains.grain_distance, np.float32(rng.uniform(3, 15)))
        height += np.float32(rng.uniform(0.02, 0.3) * pixel_size_nm) * np.sqrt(dome_px)
    # a domains tilt the surface by up to (c/a - 1): 0.06 in PbTiO3, 0.01 in BaTiO3.
    height += np.float32(rng.uniform(0.0, 0.06) * pixel_size_nm) * domains.tilt
    dirt = np.zeros(shape, np.float32)
    if disorder and rng.uniform() < 0.35:
        for _ in range(rng.integers(1, 7)):
            _add_particle(height, dirt, rng, roughness_nm)
    if disorder and rng.uniform() < 0.12:
        _add_scratch(height, dirt, rng, roughness_nm)
    return Surface(blur(height, Tip(TIP_OF_WALL * wall_px)), dirt)


def scan_topography(surface: Surface, rng: np.random.Generator, *, disorder: float) -> FloatImage:
    """Height as it was recorded: on a tilted plane, with an offset of each row and noise."""
    height = surface.height_nm
    rows, columns = height.shape
    spread = max(float(height.std()), 1e-3)
    plane_y, plane_x = rng.normal(0, 1.5 * disorder, 2) * spread
    noise = spread * rng.uniform(0.005, 0.06) * rng.standard_normal((rows, columns), np.float32)
    row_offset = (
        spread * disorder * rng.uniform(0, 0.15) * rng.standard_normal((rows, 1), np.float32)
    )
    plane = (
        np.linspace(-plane_y, plane_y, rows, dtype=np.float32)[:, None]
        + np.linspace(-plane_x, plane_x, columns, dtype=np.float32)[None]
    )
    return np.asarray(height + plane + noise + row_offset, np.float32)


def _add_particle(
    height: FloatImage, dirt: FloatImage, rng: np.random.Generator, roughness_nm: float
) -> None:
    rows, columns = height.shape
    radius = float(1.5 * 6.0 ** rng.uniform())
    y, x = rng.uniform(0, rows), rng.uniform(0, columns)
    top, left = max(int(y - 4 * radius), 0), max(int(x - 4 * radius), 0)
    window = np.s_[top : int(y + 4 * radius) + 1, left : int(x + 4 * radius) + 1]
    i, j = np.ogrid[window]
    i, j = i[: height[window].shape[0]], j[:, : height[window].shape[1]]
    cover = np.exp(-((((i - y) ** 2 + (j - x) ** 2) / radius**2) ** 2)).astype(np.float32)
    height[window] += np.float32(roughness_nm * rng.uniform(2, 15)) * cover
    dirt[window] = np.maximum(dirt[window], np.float32(rng.uniform(0.4, 1.0)) * cover)


def _add_scratch(
    height: FloatImage, dirt: FloatImage, rng: np.random.Generator, roughness_nm: float
) -> None:
    rows, columns = height.shape
    angle = rng.uniform(0, np.pi)
    i, j = np.ogrid[:rows, :columns]
    across = np.cos(angle) * (i - rng.uniform(0, rows)) + np.sin(angle) * (
        j - rng.uniform(0, columns)
    )
    groove = np.exp(-((across / rng.uniform(0.8, 2.5)) ** 2)).astype(np.float32)
    height -= np.float32(roughness_nm * rng.uniform(0.5, 4)) * groove
    np.maximum(dirt, np.float32(rng.uniform(0.1, 0.6)) * groove, out=dirt)
