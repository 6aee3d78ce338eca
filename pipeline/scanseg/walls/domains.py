"""Domains: the regions that walls and changes of polarity enclose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage, Mask, Micrograph, Signal
from scanseg.walls.borders import Borders, draw_borders
from scanseg.walls.graph import WallGraph
from scanseg.walls.perimeter import perimeters
from scanseg.walls.polarity import signed_response
from scanseg.walls.settings import DomainMapping
from scanseg.walls.trace import TracedWall

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["DomainMap", "domains_table", "map_domains", "polarity_fractions"]

DOMAIN_COLUMNS = (
    "domain", "area_nm2", "perimeter_nm", "polarity", "touches_edge", "area_px", "perimeter_px",
)  # fmt: skip

# Noise of 0.4 medians of the amplitude, the largest worth scanning with, falls to 0.08.
SMOOTHING_PX = 1.5
# A background b moves the zero of the response by w atanh(b) off a wall of half width w: 0.75 w for
# 0.64 of the signal, where 0.43 is the largest that was seen in a scan with both polarities.
SHIFT_OF_HALF_WIDTH = 0.75
SMALLEST_SHIFT_PX = 2.0
# Smoothed noise alone forms patches of 0.2 medians of the amplitude.
SMALLEST_RESPONSE = 0.3
# The polarity is unknown where the responses of a domain's pixels cancel to less than this part.
SMALLEST_REST = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class DomainMap:
    """K domains of a scan.

    Parameters
    ----------
    domain
        Number of the domain of each pixel from 1, the topmost first; 0 where nothing was measured;
        int32, shape (height, width).
    polarity
        +1 or -1, and 0 where it is not known, shape (K,). +1 has the phase of
        :func:`scanseg.walls.phase_axis_deg`.
    """

    domain: NDArray[np.int32]
    polarity: NDArray[np.int8]


def map_domains(
    lines: Sequence[TracedWall],
    graph: WallGraph,
    scan: Mapping[Signal, Micrograph],
    *,
    config: DomainMapping | None = None,
) -> DomainMap:
    """Find the domains of a scan.

    Parameters
    ----------
    lines, graph
        Walls, from :func:`scanseg.walls.trace_lines`.
    scan
        Amplitude and phase, or one of them, as ``read_pfm`` gives them.
    config
        How.

    Notes
    -----
    Walls of both classes are borders, and so are short straight bridges over their gaps. What they
    enclose is parted again where the smoothed response changes its sign without a wall that was
    seen; a part must be large, strong and not only a seam along a wall, which is how a background
    shows that shifts the zero of the response. Pixels that a wall crosses go to the side that their
    centre is on.
    """
    from scipy import ndimage

    config = config or DomainMapping()
    channel = scan[Signal.PFM_PHASE if Signal.PFM_PHASE in scan else Signal.PFM_AMPLITUDE]
    measured = np.isfinite(channel.data)
    borders = draw_borders(lines, graph, shape=channel.shape, gap_px=config.gap_px)
    inner = measured & ~borders.mask
    region, _ = ndimage.label(inner)
    signed = signed_response(scan)
    if signed is not None:
        signed = np.where(np.isfinite(signed), signed, np.float32(0))
        beside = _beside(borders.mask, lines)
        region = _parted(region, signed, beside, config.smallest_px)
    region[np.bincount(region.ravel())[region] < config.smallest_px] = 0
    if not region.any():
        region = measured.astype(np.int32)
    region = _grown(region, inner)
    _assign_crossed(region, borders)
    region[~measured] = 0
    region = _numbered(_grown(region, measured))
    return DomainMap(region, _polarity(region, signed, borders.mask))


def domains_table(mapped: DomainMap, *, pixel_size_nm: tuple[float, float] | None) -> DataFrame:
    """Sizes of domains.

    Parameters
    ----------
    mapped
        From :func:`map_domains`.
    pixel_size_nm
        (y, x); None leaves what is in nm empty.

    Returns
    -------
    table
        ``perimeter_*`` is the length of the borders with other domains, without that of the scan;
        ``polarity`` is +1, -1, or 0 where it is not known; ``touches_edge`` tells that a domain may
        go on outside of what was measured.
    """
    from pandas import DataFrame

    domain, n_domains = mapped.domain, len(mapped.polarity)
    scale = pixel_size_nm or (float("nan"), float("nan"))
    area_px = np.bincount(domain.ravel(), minlength=n_domains + 1)[1:]
    perimeter_px = perimeters(domain, n_domains)
    perimeter_nm = perimeter_px * scale[0]
    if scale[0] != scale[1] and pixel_size_nm is not None:
        perimeter_nm = perimeters(domain, n_domains, pixel_size=pixel_size_nm)
    return DataFrame(
        {
            "domain": np.arange(1, n_domains + 1),
            "area_nm2": area_px * scale[0] * scale[1],
            "perimeter_nm": perimeter_nm,
            "polarity": mapped.polarity,
            "touches_edge": _touches_edge(domain, n_domains),
            "area_px": area_px,
            "perimeter_px": perimeter_px,
        },
        columns=list(DOMAIN_COLUMNS),
    )


def polarity_fractions(domains: DataFrame) -> dict[str, float]:
    """Part of the measured area that is ``up`` (polarity +1), ``down`` (-1) and ``unknown``.

    Parameters
    ----------
    domains
        From :func:`domains_table`.
    """
    area = domains["area_px"].to_numpy(float)
    polarity = domains["polarity"].to_numpy()
    total = max(float(area.sum()), 1.0)
    names = {"up": 1, "down": -1, "unknown": 0}
    return {name: float(area[polarity == sign].sum()) / total for name, sign in names.items()}


def _beside(border: Mask, lines: Sequence[TracedWall]) -> Mask:
    """Where the sign of the response may be that of the other side of a wall."""
    from scipy import ndimage

    widths = [line.half_width_px for line in lines if np.isfinite(line.half_width_px)]
    typical_px = float(np.median(widths)) if widths else 0.0
    reach_px = int(np.ceil(max(SHIFT_OF_HALF_WIDTH * typical_px, SMALLEST_SHIFT_PX)))
    return np.asarray(ndimage.maximum_filter(border.view(np.uint8), 2 * reach_px + 1) > 0)


def _parted(
    region: NDArray[np.int32], signed: FloatImage, beside: Mask, smallest_px: int
) -> NDArray[np.int32]:
    """Regions of one sign each; pixels of parts that are none of their own are 0."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(signed, SMOOTHING_PX, truncate=3.0)
    inside = region > 0
    part, n_positive = ndimage.label(inside & (smooth > 0))
    negative, n_negative = ndimage.label(inside & (smooth <= 0))
    part += np.where(negative > 0, negative + n_positive, 0)
    n_parts = n_positive + n_negative + 1
    flat = part.ravel()
    region_of = np.zeros(n_parts, np.int64)
    region_of[flat] = region.ravel()
    area = np.bincount(flat, minlength=n_parts)
    strength = np.bincount(flat, np.abs(smooth).ravel(), minlength=n_parts) / np.maximum(area, 1)
    apart = np.bincount(flat, ~beside.ravel(), minlength=n_parts)
    kept = (area >= smallest_px) & (strength >= SMALLEST_RESPONSE) & (apart > 0)
    # The largest part of a region stays whatever it is, and alone it takes the whole of it.
    order = np.argsort(area, kind="stable")
    largest = np.zeros(int(region_of.max()) + 1, np.int64)
    largest[region_of[order]] = order
    kept[largest] = True
    kept[0] = False
    alone = np.bincount(region_of[kept], minlength=len(largest)) == 1
    number = np.where(kept, np.arange(n_parts), 0)
    number = np.where(alone[region_of], largest[region_of], number)
    number[0] = 0
    return np.asarray(number[part], np.int32)


def _grown(region: NDArray[np.int32], where: Mask) -> NDArray[np.int32]:
    """Regions spread over the pixels without one, from pixel to pixel, and not beyond a mask."""
    padded = np.pad(region, 1)
    y, x = np.nonzero((region == 0) & where)
    while len(y):  # once for each pixel of the widest gap
        beside = np.maximum(
            np.maximum(padded[y, x + 1], padded[y + 2, x + 1]),
            np.maximum(padded[y + 1, x], padded[y + 1, x + 2]),
        )
        found = beside > 0
        if not found.any():
            break
        padded[y[found] + 1, x[found] + 1] = beside[found]
        y, x = y[~found], x[~found]
    return padded[1:-1, 1:-1]


def _assign_crossed(region: NDArray[np.int32], borders: Borders) -> None:
    """Give the pixels that walls cross to the side that their centres are on."""
    last = np.array(region.shape) - 1
    value = np.zeros(len(borders.pixel), np.int32)
    for reach in (1.0, 1.5, 2.0):
        y, x = np.clip(np.rint(borders.pixel + reach * borders.towards).astype(int), 0, last).T
        value = np.where(value > 0, value, region[y, x])
    region[tuple(borders.pixel.T)] = value


def _numbered(region: NDArray[np.int32]) -> NDArray[np.int32]:
    """Numbers 1, 2, ... from the top row on; 0 stays."""
    old, first = np.unique(region, return_index=True)
    order = np.argsort(first)
    order = order[old[order] > 0]
    number = np.zeros(int(old[-1]) + 1, np.int32)
    number[old[order]] = np.arange(1, len(order) + 1)
    return np.asarray(number[region])


def _polarity(
    domain: NDArray[np.int32], signed: FloatImage | None, border: Mask
) -> NDArray[np.int8]:
    n_domains = int(domain.max())
    if signed is None:
        return np.zeros(n_domains, np.int8)
    counted = np.where(border, np.float32(0), signed).ravel()
    flat = domain.ravel()
    total = np.bincount(flat, counted, minlength=n_domains + 1)[1:]
    size = np.bincount(flat, np.abs(counted), minlength=n_domains + 1)[1:]
    known = np.abs(total) >= SMALLEST_REST * size
    return np.asarray(np.where(known, np.sign(total), 0), np.int8)


def _touches_edge(domain: NDArray[np.int32], n_domains: int) -> NDArray[np.bool_]:
    touches = np.zeros(n_domains + 1, bool)
    around = np.pad(domain, 1)  # outside is like not measured
    for one, other in ((around[1:], around[:-1]), (around[:, 1:], around[:, :-1])):
        touches[one[other == 0]] = True
        touches[other[one == 0]] = True
    return touches[1:]
