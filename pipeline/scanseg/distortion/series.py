"""Scan distortion from images of one place: what an atom does in one frame and not in the others.

Strain and displaced atoms are the same in all frames, so nothing of the crystal is taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.distortion.lines import fit_lines
from scanseg.distortion.measure import FAR_OFF, MOST_OFF, ScanDistortion, column_width_px
from scanseg.errors import ScansegError

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["measure_series"]

FloatArray = NDArray[np.float64]

FEWEST_FRAMES = 3
# Part of the frames in which an atom must be seen to tell anything.
MOSTLY = 0.6
FEWEST_COLUMNS = 30


def measure_series(
    points: DataFrame, *, shape: tuple[int, int],
    pixel_size_nm: tuple[float, float] | None = None, sigma_px: float | None = None,
) -> dict[int, ScanDistortion]:  # fmt: skip
    """Measure the shift of the lines of every frame of a series.

    Parameters
    ----------
    points
        Of :func:`scanseg.tracks.follow_atoms`: ``frame``, ``track``, ``y_px``, ``x_px``; with
        ``y_err_px``, ``x_err_px`` weighted by them.
    shape
        (height, width) of a frame.
    pixel_size_nm
        Along (y, x).
    sigma_px
        Width of a column; a fifth of the distance of nearest ones where it is not known.

    Returns
    -------
    distortions
        By frame. A shift, and a steady shear and stretch against the mean frame, are part of the
        shift of the lines, since the mean of many frames has neither of a single one. Frames with
        fewer than 30 of the lasting atoms are left out.

    Raises
    ------
    ScansegError
        With fewer than three frames.
    """
    frames = points["frame"].nunique()
    if frames < FEWEST_FRAMES:
        raise ScansegError(
            f"A series of {frames} frames does not tell a displaced atom from a displaced line; "
            f"{FEWEST_FRAMES} is the least.",
            hint="Measure it from the lattice of each image.",
        )
    number = points.groupby("track")["frame"].transform("size")
    lasting = points[number >= MOSTLY * frames]
    found = {}
    away = _from_mean(lasting)
    spacing = _spacing(points)
    sigma = sigma_px or column_width_px(points, spacing)
    err = np.full((len(lasting), 2), np.nan)
    if "y_err_px" in lasting:
        err = lasting[["y_err_px", "x_err_px"]].to_numpy(float)
    # The mean of n sightings holds one n-th of each.
    share = 1 - 1 / number[number >= MOSTLY * frames].to_numpy(float)
    which = lasting["frame"].to_numpy()
    # The line of an atom without its own error, which would explain itself.
    y = lasting["y_px"].to_numpy(float) - away[:, 0]
    for frame in np.unique(which):
        rows = np.flatnonzero(which == frame)
        usual = 1.4826 * np.median(np.abs(away[rows]), axis=0)
        rows = rows[(np.abs(away[rows]) < np.maximum(MOST_OFF * usual, FAR_OFF * spacing)).all(1)]
        if len(rows) < FEWEST_COLUMNS:
            continue
        shifts = [
            fit_lines(
                y[rows], away[rows, axis] / share[rows], err[rows, axis] / np.sqrt(share[rows]),
                n_rows=shape[0], sigma_px=sigma,
            )
            for axis in (0, 1)
        ]  # fmt: skip
        found[int(frame)] = ScanDistortion(
            shape, pixel_size_nm, shifts[0], shifts[1], None, len(rows)
        )
    return found


def _from_mean(lasting: DataFrame) -> FloatArray:
    """Each sighting minus the mean of its track, the shift of its frame taken out; shape (N, 2)."""
    place = lasting[["y_px", "x_px"]].to_numpy(float)
    _, track = np.unique(lasting["track"], return_inverse=True)
    _, frame = np.unique(lasting["frame"], return_inverse=True)
    shift = np.zeros((frame.max() + 1, 2))
    away = place
    for _ in range(10):  # atoms that some frames lack couple the two means weakly
        still = place - shift[frame]
        count = np.bincount(track)
        mean = np.stack([np.bincount(track, still[:, axis]) / count for axis in (0, 1)], 1)
        away = place - mean[track]
        for axis in (0, 1):
            shift[:, axis] = np.bincount(frame, away[:, axis]) / np.bincount(frame)
        away = away - shift[frame]
    return away


def _spacing(points: DataFrame) -> float:
    from scipy.spatial import cKDTree

    first = points[points["frame"] == points["frame"].min()]
    place = first[["y_px", "x_px"]].to_numpy(float)
    return float(np.median(cKDTree(place).query(place, k=2)[0][:, 1]))
