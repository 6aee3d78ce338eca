"""Walls measured on the signal: where they are between pixels, how wide, how deep their dip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Mask, Micrograph, Signal
from scanseg.walls.joint import fit_walls
from scanseg.walls.lines import WallLine, joined, normals, parted, sampled
from scanseg.walls.profile import ProfileFit, Shape, fit_profiles
from scanseg.walls.uncertainty import profile_variance

__all__ = ["Measurement", "measure_walls", "measured_response"]

# Beyond this distance along the wall a skeleton pixel on a normal belongs to another wall.
OWN_WALL_PX = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What the signal tells of a wall of N points.

    Parameters
    ----------
    position_px
        (y, x), shape (N, 2): the expected one where the signal did not tell more.
    position_err_px
        Standard deviation across the wall, shape (N,); NaN where the signal did not tell more.
    half_width_px, half_width_err_px
        w of tanh(x / w): mean over the wall, and its standard deviation; NaN without a fit.
    dip, dip_err
        Smallest amplitude on the wall over that beside it: median over the wall, and its standard
        deviation from the scatter along the wall.
    """

    position_px: NDArray[np.float64]
    position_err_px: NDArray[np.float64]
    half_width_px: float
    half_width_err_px: float
    dip: float
    dip_err: float


def measure_walls(
    lines: Sequence[WallLine], scan: Mapping[Signal, Micrograph], skeleton: Mask, *,
    half_width_px: float, reach_px: float, largest_shift_px: float,
) -> tuple[Measurement, ...]:  # fmt: skip
    """Measure walls on the signal of a scan.

    Parameters
    ----------
    lines
        Where walls are expected.
    scan
        Amplitude and phase, or one of them, as ``read_pfm`` gives them.
    skeleton
        All walls, shape (height, width): the signal is used half-way to the next one.
    half_width_px
        Half width w that fits start from.
    reach_px
        How far across a wall the signal is used at most.
    largest_shift_px
        How far a fit may move a wall.
    """
    response = measured_response(scan)
    if Signal.PFM_AMPLITUDE in scan and Signal.PFM_PHASE in scan:
        fits = fit_walls(
            lines, response,
            half_width_px=half_width_px, reach_px=reach_px, largest_shift_px=largest_shift_px,
        )  # fmt: skip
        return tuple(
            Measurement(
                fit.position_px, fit.position_err_px, fit.half_width_px, fit.half_width_err_px,
                *_median(fit.dip[np.isfinite(fit.dip)]),
            )
            for fit in fits
        )  # fmt: skip
    # One channel alone is no linear sum of walls: each profile is fitted by itself.
    normal = [normals(line.position_px, closed=line.closed) for line in lines]
    profiles = _fit(
        lines, normal, response, skeleton,
        half_width_px=half_width_px, reach_px=reach_px, largest_shift_px=largest_shift_px,
    )  # fmt: skip
    from_phase = Signal.PFM_AMPLITUDE not in scan
    return tuple(map(_measurement, lines, normal, profiles, repeat(from_phase)))


def _measurement(
    line: WallLine, normal: NDArray[np.float64], fit: ProfileFit, from_phase: bool
) -> Measurement:
    moved = np.isfinite(fit.centre_px)
    width, width_err = _mean_width(fit)
    dips = fit.dip[np.isfinite(fit.dip)]
    dip, dip_err = _median(dips)
    variance = profile_variance(
        fit.centre_err_px**2, half_width_px=width, ferroelastic=line.class_index > 1,
        closed=line.closed, from_phase=from_phase,
    )  # fmt: skip
    return Measurement(
        position_px=line.position_px + np.where(moved, fit.centre_px, 0.0)[:, None] * normal,
        position_err_px=np.sqrt(variance),
        half_width_px=width,
        half_width_err_px=width_err,
        dip=dip,
        dip_err=dip_err,
    )


def _median(values: NDArray[np.float64]) -> tuple[float, float]:
    """Median of a number along a wall, and its standard deviation."""
    if len(values) < 2:
        return (float(values[0]) if len(values) else float("nan")), float("nan")
    middle = _middle(values)
    scatter = 1.4826 * _middle(np.abs(values - middle))
    # Neighbouring points share their samples: one point in three is a new one.
    return middle, 1.2533 * scatter / float(np.sqrt(max(len(values) / 3.0, 1.0)))


def _middle(values: NDArray[np.float64]) -> float:
    """Median; that of numpy takes 50 us, which is 15 ms of a scan's 150 walls."""
    ordered = np.sort(values)
    return float(ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2


def measured_response(scan: Mapping[Signal, Micrograph]) -> NDArray[np.complex128]:
    """Complex response of a scan; amplitude alone is real, phase alone has amplitude 1.

    Pixels that were not measured are NaN.
    """
    if Signal.PFM_PHASE not in scan:
        return np.asarray(scan[Signal.PFM_AMPLITUDE].data, np.float64)
    turned = np.exp(1j * np.deg2rad(np.asarray(scan[Signal.PFM_PHASE].data, np.float64)))
    if Signal.PFM_AMPLITUDE in scan:
        turned = turned * np.asarray(scan[Signal.PFM_AMPLITUDE].data, np.float64)
    return np.asarray(turned)


def _fit(
    lines: Sequence[WallLine], normal_of: Sequence[NDArray[np.float64]],
    response: NDArray[np.complex128], skeleton: Mask, *, half_width_px: float, reach_px: float,
    largest_shift_px: float,
) -> list[ProfileFit]:  # fmt: skip
    """Fits of the profiles of each line, those of all lines in one call."""
    at, _, length = joined([line.position_px for line in lines])
    normal, _, _ = joined(normal_of)
    position = np.arange(-int(reach_px), int(reach_px) + 1, dtype=float)
    weight = _free_reach(at, normal, skeleton, position)
    profile = sampled(response, at[:, None] + normal[:, None] * position[:, None])
    weight *= np.isfinite(profile)
    profile = np.where(weight > 0, profile, 0)
    found = {name: np.full(len(at), np.nan) for name in ProfileFit.__slots__}
    ferroelastic = np.concatenate([np.empty(0, int), *(line.class_index for line in lines)]) > 1
    # A reversal is a step of the complex response, and a line in its amplitude alone.
    reversal: Shape = "step" if np.iscomplexobj(profile) else "line"
    for which, shape in ((~ferroelastic, reversal), (ferroelastic, "both")):
        if which.any():
            fit = fit_profiles(
                profile[which], position, weight[which], shape=shape,
                half_width_px=half_width_px, largest_shift_px=largest_shift_px,
            )  # fmt: skip
            for name, values in found.items():
                values[which] = getattr(fit, name)
    columns = zip(*(parted(values, length) for values in found.values()), strict=True)
    return [ProfileFit(**dict(zip(found, each, strict=True))) for each in columns]


def _free_reach(
    line: NDArray[np.float64], normal: NDArray[np.float64], skeleton: Mask,
    position: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """1 for samples nearer to this wall than to the next one along the normal, shape (N, M)."""
    from scipy import ndimage

    near_wall = ndimage.binary_dilation(skeleton)  # so that no diagonal slips through
    half = len(position) // 2
    weight = np.ones((len(line), len(position)))
    height, width = skeleton.shape
    for side in (-1, 1):
        reach = np.arange(1, 2 * half + 1)
        at = line[:, None] + (side * reach)[:, None] * normal[:, None]
        y, x = np.rint(at).astype(int).transpose(2, 0, 1)
        outside = (y < 0) | (y >= height) | (x < 0) | (x >= width)
        hit = near_wall[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] & ~outside
        hit[:, reach <= OWN_WALL_PX] = False
        first = np.where(hit.any(1), hit.argmax(1) + 2, 4 * half)  # + 1 for the dilation
        used = side * position[None] <= np.maximum(first / 2, 2)[:, None]
        inside = np.concatenate([np.ones((len(line), 1), bool), ~outside[:, :half]], 1)
        steps = np.clip(side * position, 0, half).astype(int)
        weight *= used & inside[:, steps]
    return weight


def _mean_width(fit: ProfileFit) -> tuple[float, float]:
    """Weighted mean of the half widths, and its standard deviation."""
    good = np.isfinite(fit.half_width_px) & (fit.half_width_err_px > 0)
    good &= fit.half_width_err_px < fit.half_width_px
    if not good.any():
        return float("nan"), float("nan")
    width, err = fit.half_width_px[good], fit.half_width_err_px[good]
    # Errors relative to the width, so that profiles which came out narrow by chance count no more.
    weight = (width / err) ** 2
    mean = float(np.sum(weight * width) / np.sum(weight))
    return mean, float(mean / np.sqrt(np.sum(weight)))
