"""What was found in a frame, in the form in which it is written, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Micrograph
from scanseg.runs.parts import TableParts, parts_of
from scanseg.runs.tasks import ATOMS, WALLS, Task

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from scanseg.walls import Walls

__all__ = ["Detection", "Maps", "detected_atoms", "detected_walls"]


class Maps(Protocol):
    """The part of a prediction that is written to files."""

    def probability_rows(self, start: int, stop: int) -> FloatImage:
        """Rows of the probability of each class, shape (C, stop - start, width)."""

    def uncertainty_rows(self, start: int, stop: int) -> FloatImage:
        """Rows of the uncertainty, shape (stop - start, width)."""

    def class_map_rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows of the class map, uint8, shape (stop - start, width)."""


class Draw(Protocol):
    """Draws what was found on the image."""

    def __call__(self, *, longest_px: int, title: str) -> Image:
        """Draw it with no side longer than so many pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """What was found in a frame.

    Parameters
    ----------
    task
        Kind of result.
    maps
        The prediction.
    tables
        A table for each name of a file in ``task.tables``, in parts where it is large.
    n_objects
        How many were found.
    numbers
        Cells of images.csv.
    draw
        Makes the overlay.
    colours
        Colour of every class but the background.
    collections
        A GeoJSON FeatureCollection for each name of a file in ``task.files``.
    domain_map
        Number of the domain of each pixel, int32, shape (height, width); None for atoms.
    model
        Name of the model.
    warnings
        What a user must know before trusting the numbers.
    seconds
        Time of each stage.
    """

    task: Task
    maps: Maps
    tables: Mapping[str, pd.DataFrame | TableParts]
    n_objects: int
    numbers: Mapping[str, float | None]
    draw: Draw
    colours: Mapping[str, str]
    collections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    domain_map: NDArray[Any] | None = None
    model: str = ""
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


def detected_atoms(
    image: Micrograph,
    maps: Maps,
    atoms: pd.DataFrame | TableParts,
    *,
    colours: Mapping[str, str],
    spacing_px: float | None,
    warnings: tuple[str, ...] = (),
) -> Detection:
    """Atoms of a frame.

    Parameters
    ----------
    atoms
        One row an atom.
    spacing_px
        Distance of neighbouring columns in pixels of the image; None where it was not measured.
    """
    from scanseg.report import draw_atoms

    def draw(*, longest_px: int, title: str) -> Image:
        return draw_atoms(
            image,
            parts_of(atoms),
            colours=colours,
            spacing_px=spacing_px,
            longest_px=longest_px,
            title=title,
        )

    if spacing_px is not None and not np.isfinite(spacing_px):
        spacing_px = None
    size = image.pixel_size_nm
    spacing_nm = spacing_px * float(np.sqrt(size[0] * size[1])) if spacing_px and size else None
    return Detection(
        ATOMS,
        maps,
        {"atoms.csv": atoms},
        n_objects=len(atoms),
        numbers={
            "spacing_px": None if spacing_px is None else round(spacing_px, 4),
            "spacing_nm": None if spacing_nm is None else round(spacing_nm, 6),
            "n_atoms": len(atoms),
            **_class_numbers(atoms),
        },
        draw=draw,
        colours=colours,
        warnings=warnings,
    )


def _class_numbers(atoms: pd.DataFrame | TableParts) -> dict[str, float | None]:
    """Part of the atoms whose class is the same by brightness, where there are several classes."""
    from scanseg.lattice import count_agreeing

    first = next(parts_of(atoms))
    if "intensity_class" not in first:
        return {}
    n_agreeing, n_told = count_agreeing(parts_of(atoms))
    return {"class_agreement": round(n_agreeing / n_told, 4) if n_told else None}


def detected_walls(
    image: Micrograph,
    maps: Maps,
    walls: Walls,
    *,
    colours: Mapping[str, str],
    warnings: tuple[str, ...] = (),
) -> Detection:
    """Domain walls of a frame."""
    from scanseg.report import draw_walls
    from scanseg.walls import walls_geojson

    return Detection(
        WALLS,
        maps,
        dict(zip(WALLS.tables, (walls.branches, walls.points, walls.domains), strict=True)),
        n_objects=len(walls.branches),
        numbers=_wall_numbers(image, walls, tuple(colours)),
        draw=partial(
            draw_walls,
            image,
            walls.branches,
            walls.points,
            colours=colours,
            junction_px=walls.graph.node_px[walls.graph.degree >= 3],
        ),
        colours=colours,
        collections={"walls.geojson": walls_geojson(walls, pixel_size_nm=image.pixel_size_nm)},
        domain_map=walls.domain_map,
        warnings=warnings,
    )


def _wall_numbers(
    image: Micrograph, walls: Walls, class_names: Sequence[str]
) -> dict[str, float | None]:
    """Lengths of all walls and of each class, and the length in a square micrometre."""
    from scanseg.report import class_lengths

    size = image.pixel_size_nm
    in_px = class_lengths(walls.branches, class_names, in_nm=False)
    in_nm = class_lengths(walls.branches, class_names, in_nm=True) if size else {}
    valid = image.valid()
    n_px = image.data.size if valid is None else int(valid.sum())
    total_nm = sum(in_nm.values())
    numbers: dict[str, float | None] = {
        "n_walls": len(walls.branches),
        "n_domains": len(walls.domains),
        "wall_length_px": round(sum(in_px.values()), 2),
        "wall_length_nm": round(total_nm, 2) if size else None,
        "wall_density_um_per_um2": round(1e3 * total_nm / (n_px * size[0] * size[1]), 4)
        if size
        else None,
    }
    for name in class_names:
        numbers[f"{name}_length_px"] = round(in_px[name], 2)
        numbers[f"{name}_length_nm"] = round(in_nm[name], 2) if size else None
    return numbers
