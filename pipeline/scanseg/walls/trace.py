"""From probabilities to walls: ordered, sub-pixel, typed, measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from scanseg.config import Config
from scanseg.micrograph import FloatImage, Mask, Micrograph, Signal
from scanseg.walls.graph import Branch, WallGraph, prune, trace_skeleton
from scanseg.walls.profile import ProfileFit, Shape, fit_profiles

__all__ = ["TracedWall", "WallTracing", "measured_response", "trace_walls"]

# Half a pixel of noise along a wall is smoothed away before normals are taken from it.
SMOOTHING_PX = 2.0
# Beyond this distance along the wall a skeleton pixel on a normal belongs to another wall.
OWN_WALL_PX = 3.0


class WallTracing(Config):
    """How probabilities become walls."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Probability of all wall classes together from which a pixel is on a wall."""
    spur_px: PositiveFloat = 6.0
    """Branches from a junction to a free end are dropped below this length."""
    shortest_px: PositiveFloat = 8.0
    """Lone walls are dropped below this length."""
    half_width_px: PositiveFloat = 3.0
    """Half width w that fits start from."""
    reach_px: PositiveFloat = 10.0
    """How far across a wall the signal is used, unless the next wall is nearer."""
    largest_shift_px: PositiveFloat = 2.0
    """How far a fit may move a wall from where the network saw it."""


@dataclass(frozen=True, slots=True, eq=False)
class TracedWall:
    """A branch of the wall graph, N points in order, a pixel apart.

    Parameters
    ----------
    position_px
        (y, x), shape (N, 2).
    position_err_px
        Standard deviation across the wall, shape (N,); NaN where the signal did not tell more than
        the network, whose skeleton the point is on.
    class_index
        Class of each point, shape (N,); 0 is the background and does not occur.
    probability
        Probability of that class, shape (N,).
    half_width_px
        w of tanh(x / w): mean over the wall, NaN without a fit.
    half_width_err_px
        Its standard deviation.
    dip
        Smallest amplitude on the wall over that beside it: median over the wall.
    dip_err
        Its standard deviation, from the scatter along the wall.
    start, end
        Nodes of the graph; -1 for a closed wall.
    """

    position_px: NDArray[np.float64]
    position_err_px: NDArray[np.float64]
    class_index: NDArray[np.int64]
    probability: NDArray[np.float64]
    half_width_px: float
    half_width_err_px: float
    dip: float
    dip_err: float
    start: int
    end: int

    @property
    def main_class(self) -> int:
        """Class of most points."""
        return int(np.bincount(self.class_index).argmax())

    @property
    def length_px(self) -> float:
        """Length along the points."""
        return float(np.hypot(*np.diff(self.position_px, axis=0).T).sum())

    @property
    def tortuosity(self) -> float:
        """Length over the distance of the ends; inf for a closed wall."""
        apart = float(np.hypot(*(self.position_px[-1] - self.position_px[0])))
        return self.length_px / apart if apart > 1e-9 else float("inf")


def trace_walls(
    probability: FloatImage,
    scan: Mapping[Signal, Micrograph],
    *,
    config: WallTracing | None = None,
) -> tuple[tuple[TracedWall, ...], WallGraph]:
    """Walls of a scan, and the graph they form.

    Parameters
    ----------
    probability
        Of background, ferroelectric and ferroelastic walls, shape (3, height, width).
    scan
        Amplitude and phase, or one of them, as ``read_pfm`` gives them.
    config
        How.
    """
    config = config or WallTracing()
    skeleton = _skeleton(1.0 - probability[0] >= config.threshold)
    skeleton = prune(skeleton, spur_px=config.spur_px, shortest_px=config.shortest_px)
    graph = trace_skeleton(skeleton)
    response = measured_response(scan)
    walls = tuple(
        _measured(branch, probability, response, skeleton, config) for branch in graph.branches
    )
    return walls, graph


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


def _skeleton(mask: Mask) -> Mask:
    from skimage.morphology import skeletonize

    skeleton: Mask = skeletonize(mask)  # type: ignore[no-untyped-call]
    return skeleton


def _measured(
    branch: Branch, probability: FloatImage, response: NDArray[np.complex128], skeleton: Mask,
    config: WallTracing,
) -> TracedWall:  # fmt: skip
    line = _smooth_line(branch.pixels.astype(float), closed=branch.start < 0)
    normal = _normals(line, closed=branch.start < 0)
    seen = np.clip(np.rint(line).astype(int), 0, np.array(probability.shape[1:]) - 1)
    score = _smoothed(probability[1:, seen[:, 0], seen[:, 1]].astype(float), 3.0)
    class_index = score.argmax(0) + 1
    fit = _fit(line, normal, class_index, response, skeleton, config)
    moved = np.isfinite(fit.centre_px)
    width, width_err = _mean_width(fit)
    dips = fit.dip[np.isfinite(fit.dip)]
    scatter = 1.4826 * np.median(np.abs(dips - np.median(dips))) if len(dips) > 1 else np.nan
    return TracedWall(
        position_px=line + np.where(moved, fit.centre_px, 0.0)[:, None] * normal,
        position_err_px=fit.centre_err_px,
        class_index=class_index,
        probability=probability[class_index, seen[:, 0], seen[:, 1]].astype(float),
        half_width_px=width,
        half_width_err_px=width_err,
        dip=float(np.median(dips)) if len(dips) else float("nan"),
        # Neighbouring points share their samples: one point in three is a new one.
        dip_err=float(1.2533 * scatter / np.sqrt(max(len(dips) / 3.0, 1.0))),
        start=branch.start,
        end=branch.end,
    )


def _fit(
    line: NDArray[np.float64], normal: NDArray[np.float64], class_index: NDArray[np.int64],
    response: NDArray[np.complex128], skeleton: Mask, config: WallTracing,
) -> ProfileFit:  # fmt: skip
    n_steps = int(config.reach_px)
    position = np.arange(-n_steps, n_steps + 1, dtype=float)
    weight = _free_reach(line, normal, skeleton, position)
    profile = _sampled(response, line[:, None] + normal[:, None] * position[:, None])
    weight *= np.isfinite(profile)
    profile = np.where(weight > 0, profile, 0)
    found = {name: np.full(len(line), np.nan) for name in ProfileFit.__slots__}
    ferroelastic = class_index > 1
    # A reversal is a step of the complex response, and a line in its amplitude alone.
    reversal: Shape = "step" if np.iscomplexobj(profile) else "line"
    for which, shape in ((~ferroelastic, reversal), (ferroelastic, "both")):
        if which.any():
            fit = fit_profiles(
                profile[which], position, weight[which], shape=shape,
                half_width_px=config.half_width_px, largest_shift_px=config.largest_shift_px,
            )  # fmt: skip
            for name, values in found.items():
                values[which] = getattr(fit, name)
    return ProfileFit(**found)


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


def _sampled(response: NDArray[np.complex128], at: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Bilinear, shape (N, M); positions beyond the border take its value."""
    last = np.array(response.shape) - 1
    inside = np.clip(at, 0, last - 1e-6)
    top = inside.astype(int)
    down, across = np.moveaxis(inside - top, -1, 0)
    y, x = np.moveaxis(top, -1, 0)
    upper = response[y, x] * (1 - across) + response[y, x + 1] * across
    lower = response[y + 1, x] * (1 - across) + response[y + 1, x + 1] * across
    return np.asarray(upper * (1 - down) + lower * down)


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


def _smooth_line(pixels: NDArray[np.float64], *, closed: bool) -> NDArray[np.float64]:
    """Points a pixel apart along the smoothed pixels; open ends stay where they are."""
    from scipy import ndimage

    if closed:
        ring = ndimage.gaussian_filter1d(pixels[:-1], SMOOTHING_PX, axis=0, mode="wrap")
        smooth = np.concatenate([ring, ring[:1]])
    else:
        # Reflected through the ends, so that these do not shrink inwards.
        n = min(len(pixels) - 1, 8)
        before, after = 2 * pixels[:1] - pixels[n:0:-1], 2 * pixels[-1:] - pixels[-2 : -n - 2 : -1]
        longer = np.concatenate([before, pixels, after])
        smooth = ndimage.gaussian_filter1d(longer, SMOOTHING_PX, axis=0)[n : n + len(pixels)]
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(smooth, axis=0).T))])
    at = np.linspace(0, way[-1], max(2, round(way[-1]) + 1))
    return np.stack([np.interp(at, way, smooth[:, 0]), np.interp(at, way, smooth[:, 1])], 1)


def _normals(line: NDArray[np.float64], *, closed: bool) -> NDArray[np.float64]:
    """Unit normals, to the right of the line's direction with y downward, shape (N, 2)."""
    n = np.arange(len(line))
    if closed:
        period = len(line) - 1
        ahead, behind = line[(n + 2) % period], line[(n - 2) % period]
    else:
        ahead, behind = line[np.minimum(n + 2, len(line) - 1)], line[np.maximum(n - 2, 0)]
    along = ahead - behind
    across = np.stack([along[:, 1], -along[:, 0]], 1)
    return np.asarray(across / np.maximum(np.hypot(*across.T), 1e-9)[:, None])


def _smoothed(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter1d(values, sigma, axis=-1, mode="nearest"))
