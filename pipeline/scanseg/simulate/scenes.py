"""Scenes: which crystal, in which layout, with which defects, beside what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Mask
from scanseg.simulate.columns import Columns, nearest_distance
from scanseg.simulate.crystals import (
    MONOLAYERS,
    ProjectedCell,
    crystal_names,
    projected_cell,
    random_cell,
)
from scanseg.simulate.defects import (
    displace,
    dope,
    dope_graphene,
    join_grains,
    mix,
    remove_vacancies,
    rotate_bonds,
)
from scanseg.simulate.graphene import damaged_sheet, draw_dirt
from scanseg.simulate.scenery import half_plane, smooth_field

if TYPE_CHECKING:
    from scanseg.simulate.stem import StemScene

__all__ = ["Layout", "Scene", "build_scene"]

Layout = Literal["crystal", "grains", "edge", "particle", "isolated", "empty"]

# Smallest distance of nearest columns that a network is asked to tell apart, in pixels.
CLOSEST_PX = 4.2
# Columns are not seen through dirt that is so many times as bright as they are.
DIRT_HIDES = 2.5
_CARBON_LIKE = ("graphene", "hBN")


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What lies under the beam.

    Parameters
    ----------
    columns
        All columns, some of them outside of the field of view, and vacancies of species
        ``VACANCY``.
    pixel_size_nm
        Distance of pixel centres.
    spacing_px
        Square root of the area a column takes.
    nearest_px
        Distance of nearest columns.
    kinds
        Strengths of the columns of the cell, shape (K,).
    support
        Where amorphous material is, shape (height, width); None where there is none at all.
    film
        Whether a thinner amorphous film also lies over the crystal.
    sparse
        Whether the columns are single atoms on the amorphous material, not a crystal beside it.
    bright_field
        Whether columns are dark on bright.
    dirt
        Mean and rms of hydrocarbon on the crystal, in heights of a typical column, shape (height,
        width) each; None where there is none.
    description
        Layout and material.
    """

    columns: Columns
    pixel_size_nm: float
    spacing_px: float
    nearest_px: float
    kinds: NDArray[np.float64]
    support: Mask | None
    film: bool
    sparse: bool
    bright_field: bool
    dirt: tuple[FloatImage, FloatImage] | None
    description: str


def build_scene(rng: np.random.Generator, shape: tuple[int, int], config: StemScene) -> Scene:
    """Draw a scene that fills ``shape`` pixels."""
    names = list(config.layouts)
    weight = np.array([config.layouts[name] for name in names])
    layout = names[int(rng.choice(len(names), p=weight / weight.sum()))]
    bright_field = config.signal == "bright-field" or (
        config.signal == "any" and rng.uniform() < 0.25
    )
    name, cell = _draw_cell(rng, config)
    # Light columns count in bright field: the absorptive contrast grows much slower than Z**1.5.
    exponent = 0.7 if bright_field else rng.uniform(1.45, 1.75)
    strength = cell.strength(exponent=exponent, thickness_nm=rng.uniform(2.0, 40.0))
    spacing_nm, nearest_nm = _spacing(cell, strength)
    low, high = config.spacing_px
    spacing_px = low * (high / low) ** rng.uniform()
    spacing_px = max(spacing_px, CLOSEST_PX * spacing_nm / nearest_nm)
    pixel_size_nm = spacing_nm / spacing_px
    size_nm = (shape[0] * pixel_size_nm, shape[1] * pixel_size_nm)

    def grain() -> Columns:
        shift = rng.uniform(0, 1, 2) @ cell.vectors_nm
        angle = rng.uniform(0, 2 * np.pi)
        tiled = cell.tile(size_nm, strength, rotation_rad=angle, shift_nm=shift)
        if config.defects == "graphene":
            return damaged_sheet(tiled, rng)
        if config.defects == "alloy":
            tiled = mix(tiled, rng, symbol="X")
        return _with_defects(rng, tiled, name, nearest_nm, config)

    columns, support = _lay_out(rng, layout, grain, shape, pixel_size_nm, nearest_nm)
    dirt = None
    if config.dirt and rng.uniform() < config.dirt:
        dirt = draw_dirt(shape, rng, spacing_px=spacing_px)
        # Nobody sees a lattice under what is brighter than it.
        covered = _sample(dirt[0], columns, pixel_size_nm) > DIRT_HIDES
        columns = columns.select(~covered | (columns.species == "Si"))
    if config.disorder and rng.uniform() < 0.35 and support is None:
        field = smooth_field(shape, rng, feature_px=rng.uniform(3, 12) * spacing_px)
        support = field > rng.uniform(0.2, 1.5)
    return Scene(
        columns=columns,
        pixel_size_nm=pixel_size_nm,
        spacing_px=spacing_px,
        nearest_px=nearest_nm / pixel_size_nm,
        kinds=strength,
        support=support,
        film=bool(rng.uniform() < 0.5),
        sparse=layout == "isolated",
        bright_field=bright_field,
        dirt=dirt,
        description=f"{layout} {name}",
    )


def _draw_cell(rng: np.random.Generator, config: StemScene) -> tuple[str, ProjectedCell]:
    drawn = rng.uniform()
    if drawn < config.random_lattice_fraction:
        return "random lattice", random_cell(rng)
    names = config.materials or crystal_names()
    if not config.materials and drawn < config.random_lattice_fraction + config.monolayer_fraction:
        names = MONOLAYERS
    name = str(names[int(rng.integers(len(names)))])
    return name, projected_cell(name)


def _spacing(cell: ProjectedCell, strength: NDArray[np.float64]) -> tuple[float, float]:
    """Root of the area a column takes and distance of nearest ones, counting those that show."""
    shows = strength > 0.1 * strength.max()
    area = abs(np.linalg.det(cell.vectors_nm)) / shows.sum()
    steps = np.array([[i, j] for i in (-2, -1, 0, 1, 2) for j in (-2, -1, 0, 1, 2)])
    position = (cell.position_nm[shows][None] + (steps @ cell.vectors_nm)[:, None]).reshape(-1, 2)
    return float(np.sqrt(area)), float(nearest_distance(position).min())


def _with_defects(
    rng: np.random.Generator, columns: Columns, name: str, nearest_nm: float, config: StemScene
) -> Columns:
    """Draw the defects that this crystal is known for."""
    disorder = config.disorder
    if not disorder or not len(columns):
        return columns
    if name == "graphene" and rng.uniform() < 0.6:
        silicon = float(columns.strength[0]) * rng.uniform(3.0, 4.5)
        columns = dope_graphene(
            columns, rng, n_dopants=int(rng.integers(1, 7)), silicon_strength=silicon
        )
    if name in _CARBON_LIKE and rng.uniform() < 0.3:
        columns = rotate_bonds(columns, rng, n_bonds=int(rng.integers(1, 4)))
    if rng.uniform() < 0.45:
        fraction = disorder * rng.uniform(0.0, 0.08)
        columns = remove_vacancies(columns, rng, fraction=fraction)
    if config.defects == "usual" and rng.uniform() < 0.35:
        factor = float(np.exp(rng.uniform(-1.0, 1.2)))
        share = disorder * rng.uniform(0.0, 0.3)
        columns = dope(columns, rng, fraction=share, factor=factor, symbol="X")
    columns = columns.settled()
    polar = disorder * nearest_nm * float(rng.choice([0.0, rng.uniform(0, 0.12)]))
    rms = disorder * nearest_nm * rng.uniform(0.0, 0.05)
    columns = displace(columns, rng, rms_nm=rms, polar_nm=polar)
    uneven = rng.normal(1.0, disorder * rng.uniform(0.0, 0.12), len(columns))
    return columns.scaled(np.clip(uneven, 0.3, 2.0))


def _lay_out(
    rng: np.random.Generator, layout: Layout, grain: Callable[[], Columns], shape: tuple[int, int],
    pixel_size_nm: float, nearest_nm: float,
) -> tuple[Columns, Mask | None]:  # fmt: skip
    """Columns of a layout, and where amorphous material takes their place."""
    if layout == "empty":
        return Columns.none(), np.full(shape, rng.uniform() < 0.7)
    if layout == "isolated":
        return _isolated(rng, grain(), shape, pixel_size_nm, nearest_nm), np.ones(shape, bool)
    columns = grain()
    if layout == "crystal":
        return columns, None
    if layout == "grains":
        return _two_grains(rng, columns, grain(), shape, pixel_size_nm, nearest_nm), None
    inside = _edge(rng, shape) if layout == "edge" else _particle(rng, shape)
    thickness = _sample(inside, columns, pixel_size_nm)
    columns = columns.scaled(np.clip(thickness, 0.0, 1.0)).select(thickness > 0.05)
    vacuum_outside = rng.uniform() < 0.4
    return columns, None if vacuum_outside else inside <= 0


def _two_grains(
    rng: np.random.Generator, first: Columns, second: Columns, shape: tuple[int, int],
    pixel_size_nm: float, nearest_nm: float,
) -> Columns:  # fmt: skip
    side = half_plane(shape, rng, rough_px=rng.uniform(0.0, 0.05) * min(shape))
    return join_grains(
        first,
        second,
        in_second=_sample(side, first, pixel_size_nm) > 0,
        in_second_too=_sample(side, second, pixel_size_nm) > 0,
        closest_nm=rng.uniform(0.65, 0.9) * nearest_nm,
    )


def _edge(rng: np.random.Generator, shape: tuple[int, int]) -> FloatImage:
    """1 in the crystal and 0 in holes or beyond an edge, with a ramp for a wedge in some."""
    if rng.uniform() < 0.5:
        distance = half_plane(shape, rng, rough_px=rng.uniform(0.0, 0.08) * min(shape))
    else:
        field = smooth_field(shape, rng, feature_px=rng.uniform(0.2, 0.6) * min(shape))
        distance = (field + rng.uniform(-0.3, 1.2)) * 30
    ramp = float(rng.choice([0.1, rng.uniform(5.0, 0.5 * min(shape))]))
    return np.asarray(np.clip(distance / ramp, 0.0, 1.0), np.float32)


def _particle(rng: np.random.Generator, shape: tuple[int, int]) -> FloatImage:
    """Thickness of one to three rounded or faceted particles, 1 at the thickest, 0 outside."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    thickness = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        centre = rng.uniform(0.1, 0.9, 2) * shape
        radius = rng.uniform(0.12, 0.5) * min(shape)
        turn = rng.uniform(0, np.pi)
        along = np.cos(turn) * (y - centre[0]) + np.sin(turn) * (x - centre[1])
        across = np.cos(turn) * (x - centre[1]) - np.sin(turn) * (y - centre[0])
        power = float(rng.choice([2.0, 2.0, 4.0, 8.0]))  # 2 is round, 8 nearly square
        outline = (np.abs(along / radius) ** power) + (
            np.abs(across / (radius * rng.uniform(0.5, 1.0))) ** power
        )
        cap = np.clip(1.0 - outline, 0.0, 1.0) ** float(rng.choice([0.25, 0.5]))
        thickness = np.maximum(thickness, cap)
    return thickness


def _isolated(
    rng: np.random.Generator, like: Columns, shape: tuple[int, int], pixel_size_nm: float,
    nearest_nm: float,
) -> Columns:  # fmt: skip
    """Single atoms of equal strength at random, none closer than nearest columns of a crystal."""
    if not len(like):
        return like
    size = np.array(shape) * pixel_size_nm
    wanted = int(np.exp(rng.uniform(np.log(3), np.log(120))))
    placed = rng.uniform(0, 1, (1, 2)) * size
    for _ in range(wanted):
        lonely = rng.uniform() < 0.7
        candidate = rng.uniform(0, 1, 2) * size
        if not lonely:  # pairs and small clusters
            turn = rng.uniform(0, 2 * np.pi)
            step = rng.uniform(1.0, 1.6) * nearest_nm
            candidate = placed[rng.integers(len(placed))] + step * np.array(
                [np.sin(turn), np.cos(turn)]
            )
        if np.hypot(*(placed - candidate).T).min() > nearest_nm:
            placed = np.concatenate([placed, candidate[None]])
    strength = np.full(len(placed), like.strength.max())
    strength *= np.clip(rng.normal(1.0, 0.15, len(placed)), 0.4, 1.8)
    of = int(like.strength.argmax())
    return Columns(placed, strength, np.full(len(placed), like.species[of]), strength)


def _sample(field: FloatImage, columns: Columns, pixel_size_nm: float) -> FloatImage:
    """Value of a field, shape (height, width), at each column, shape (N,)."""
    index = np.round(columns.position_nm / pixel_size_nm - 0.5).astype(int)
    index = np.clip(index, 0, np.array(field.shape) - 1)
    return np.asarray(field[index[:, 0], index[:, 1]], np.float32)
