"""Where the phase flips beside a wall: what one sees, not where the polarisation reverses.

A background of the instrument moves the flip by about w atanh(b), with b the background over the
response of a domain: 0.3 to 2 px on measured scans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Micrograph, Signal
from scanseg.walls.lines import WallLine, normals
from scanseg.walls.measure import Measurement
from scanseg.walls.polarity import signed_response

__all__ = ["at_phase_flips"]

# As far as a background below 0.75 moves the flip of a wall with w of 4 px.
REACH_PX = 4.0
STEP_PX = 0.25
# Noise would make more flips than there are walls.
SMOOTHING_PX = 1.0


def at_phase_flips(
    lines: Sequence[WallLine], measured: Sequence[Measurement], scan: Mapping[Signal, Micrograph]
) -> tuple[Measurement, ...]:
    """Move ferroelectric walls along their normals to the nearest flip of the phase.

    Parameters
    ----------
    lines
        Walls and their classes.
    measured
        Where they were measured to be, in the same order.
    scan
        As ``read_pfm`` gives it; without a phase walls stay where they are.

    Returns
    -------
    moved
        Points without a flip within 4 px move as their neighbours do, or stay.
    """
    from scipy import ndimage

    signed = signed_response(scan)
    if signed is None:
        return tuple(measured)
    smooth = ndimage.gaussian_filter(np.nan_to_num(signed), SMOOTHING_PX)
    moved = []
    for line, each in zip(lines, measured, strict=True):
        if line.class_index[0] != 1 or len(line.position_px) < 3:
            moved.append(each)
            continue
        position = each.position_px
        normal = normals(position, closed=line.closed)
        offset = _along_wall(_nearest_flip(smooth, position, normal), closed=line.closed)
        moved.append(replace(each, position_px=position + offset[:, None] * normal))
    return tuple(moved)


def _nearest_flip(
    smooth: FloatImage, position: NDArray[np.float64], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance along each normal to the nearest change of sign, shape (N,); NaN for none."""
    from scipy import ndimage

    way = np.arange(-REACH_PX, REACH_PX + STEP_PX / 2, STEP_PX)
    at = position[:, None] + way[None, :, None] * normal[:, None]
    value = ndimage.map_coordinates(smooth, at.transpose(2, 0, 1), order=1, mode="nearest")
    before, after = value[:, :-1], value[:, 1:]
    flips = np.sign(before) != np.sign(after)
    part = np.abs(before) / np.maximum(np.abs(before) + np.abs(after), 1e-12)
    crossing = way[:-1] + STEP_PX * part
    nearest = np.where(flips, np.abs(crossing), np.inf).argmin(1)
    each = np.arange(len(position))
    return np.asarray(np.where(flips[each, nearest], crossing[each, nearest], np.nan))


def _along_wall(offset: NDArray[np.float64], *, closed: bool) -> NDArray[np.float64]:
    """Averaged over neighbours, of those that have one; 0 where none has."""
    from scipy import ndimage

    known = np.isfinite(offset)
    mode = "wrap" if closed else "nearest"
    total, weight = (
        ndimage.gaussian_filter1d(values.astype(float), SMOOTHING_PX, mode=mode)
        for values in (np.where(known, offset, 0.0), known)
    )
    return np.asarray(np.where(weight > 0.05, total / np.maximum(weight, 1e-6), 0.0))
