"""Pair distribution function of columns in the plane of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scanseg.errors import ScansegError
from scanseg.lattice._columns import FloatArray, PlacedColumns, place_columns

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["pair_distribution"]

CHUNK = 20_000  # columns whose neighbours are held at once, so that memory stays below 200 MB


def pair_distribution(
    atoms: DataFrame, *, shape: tuple[int, int] | None = None, by: str | None = None,
    longest_px: float | None = None, step_px: float | None = None,
) -> DataFrame:  # fmt: skip
    """g(r): how often columns are at a distance, against columns without any order.

    Parameters
    ----------
    atoms
        Of one image.
    shape
        (height, width) of the image; the box around all atoms by default, which is right within
        about a spacing over the side.
    by
        A column of the table, as ``class`` or ``sublattice``, for partial functions of each pair of
        values as well.
    longest_px
        Largest distance, in square pixels; eight mean spacings by default.
    step_px
        Width of a bin; a fiftieth of the mean spacing by default.

    Returns
    -------
    pairs
        ``pair`` (``all``, or ``A-B``), ``r_px`` (square pixels, middle of the bin), ``r_nm``,
        ``g``, ``g_err`` (counting statistics), ``neighbours`` (columns of the second kind within
        the far end of the bin around one of the first, on average).

    Notes
    -----
    A pair (dy, dx) counts with the inverse of the part of the image from which its second column
    would be seen, (H − |dy|)(W − |dx|) (translational edge correction: Illian et al., Statistical
    Analysis and Modelling of Spatial Point Patterns, 2008, chapter 4.2). It supposes that the
    crystal fills the image; around a particle g falls below 1 at large distances.
    """
    from pandas import concat

    columns = place_columns(atoms)
    if len(columns) < 2:
        raise ScansegError(
            "Fewer than two atoms have no distances.", hint="Find atoms in a larger image."
        )
    side = _sides(columns, shape)
    spacing = float(np.sqrt(side.prod() / len(columns)))
    longest = min(longest_px or 8 * spacing, 0.9 * float(side.min()))
    edges = np.arange(0, longest, step_px or spacing / 50)
    kinds = [("all", np.ones(len(columns), bool), np.ones(len(columns), bool))]
    if by is not None:
        values = atoms[by].to_numpy()
        names = [name for name in np.unique(values[atoms[by].notna().to_numpy()])]
        kinds += [
            (f"{one}-{two}", values == one, values == two)
            for n, one in enumerate(names) for two in names[n:]
        ]  # fmt: skip
    nm = np.sqrt(np.prod(columns.pixel_size_nm)) if columns.pixel_size_nm else np.nan
    return concat(
        [_one_function(name, columns.place, one, two, edges, side, float(nm))
         for name, one, two in kinds], ignore_index=True,
    )  # fmt: skip


def _sides(columns: PlacedColumns, shape: tuple[int, int] | None) -> FloatArray:
    """Height and width of what was seen, in square pixels."""
    if shape is not None:
        return np.asarray(np.array(shape) * columns.stretch)
    extent = columns.place.max(0) - columns.place.min(0)
    # N points in a box reach to 1 / (N + 1) from its sides, on average.
    side = np.maximum(extent, 1e-9)
    spacing = np.sqrt(side.prod() / len(columns))
    return np.asarray(side + spacing)


def _one_function(
    name: str, place: FloatArray, one: NDArray[np.bool_], two: NDArray[np.bool_],
    edges: FloatArray, side: FloatArray, nm_per_px: float,
) -> DataFrame:  # fmt: skip
    from pandas import DataFrame

    first, second = np.flatnonzero(one), np.flatnonzero(two)
    same = np.array_equal(one, two)
    weighted, counts = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    tree = cKDTree(place[second])
    for start in range(0, len(first), CHUNK):
        rows = first[start : start + CHUNK]
        pairs = cKDTree(place[rows]).sparse_distance_matrix(
            tree, float(edges[-1]), output_type="ndarray"
        )
        pairs = pairs[pairs["v"] > 0]
        apart = np.abs(place[rows[pairs["i"]]] - place[second[pairs["j"]]])
        weight = 1 / np.maximum((side - apart).prod(1), 1e-9)
        weighted += np.histogram(pairs["v"], edges, weights=weight)[0]
        counts += np.histogram(pairs["v"], edges)[0]
    area = side.prod()
    rings = np.pi * np.diff(edges**2)
    density = (len(second) - same) / area  # a column is no partner of its own
    g = weighted * area / (len(first) * density * rings)
    r = 0.5 * (edges[1:] + edges[:-1])
    # Each pair of one kind is counted from both ends.
    independent = counts / (2 if same else 1)
    return DataFrame(
        {
            "pair": name, "r_px": r, "r_nm": r * nm_per_px, "g": g,
            "g_err": g / np.sqrt(np.maximum(independent, 1)),
            "neighbours": np.cumsum(g * rings) * density,
        }
    )  # fmt: skip
