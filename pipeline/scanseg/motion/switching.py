"""What switched between scans: maps of polarity, and domains that come, go, merge and part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph, Signal
from scanseg.motion.registration import Drift
from scanseg.walls.polarity import phase_axis_deg, signed_response

__all__ = ["DomainEvent", "domain_events", "polarity_maps", "switch_map"]

PolarityMap = NDArray[np.int8]

# Noise of 0.4 medians of the amplitude, the largest worth scanning with, falls to 0.08.
SMOOTHING_PX = 1.5
# A domain is the same as one before if it shares this part of the smaller of the two.
SHARED = 0.1


@dataclass(frozen=True, slots=True)
class DomainEvent:
    """A change in the number of domains between two scans.

    Parameters
    ----------
    kind
        A domain where there was none of its polarity, one that is gone, two that have become one,
        one that has become two.
    position_px
        (y, x) in the first scan: the centre of the new or lost domain, or where two came nearest.
    area_px
        Of the new or lost domain, or of the smaller of two.
    polarity
        Of the domain, +1 or -1.
    """

    kind: Literal["nucleated", "collapsed", "merged", "split"]
    position_px: tuple[float, float]
    area_px: int
    polarity: int


def polarity_maps(scans: Sequence[Mapping[Signal, Micrograph]]) -> list[PolarityMap] | None:
    """Polarity of each pixel of each scan of a series.

    Parameters
    ----------
    scans
        Channels of each scan.

    Returns
    -------
    polarity
        +1 up, -1 down, 0 where nothing was measured, shape (height, width) each; None where a scan
        has no phase. Up is the polarity whose phase lies in (-90°, 90°] in the first scan; which
        one that is in the crystal depends on the instrument.
    """
    from scipy import ndimage

    if not all(Signal.PFM_PHASE in scan for scan in scans):
        return None
    axis_deg = phase_axis_deg(scans[0])
    maps = []
    for scan in scans:
        signed = signed_response(scan, axis_deg=axis_deg)
        if signed is None:
            return None
        seen = np.isfinite(signed)
        smooth = ndimage.gaussian_filter(np.where(seen, signed, 0.0), SMOOTHING_PX)
        maps.append(np.where(seen, np.where(smooth >= 0, 1, -1), 0).astype(np.int8))
    return maps


def switch_map(
    polarity: Sequence[PolarityMap], drifts: Sequence[Drift]
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """When each place of the first scan switched, and how much had switched in each scan.

    Parameters
    ----------
    polarity
        Of F scans.
    drifts
        From each scan to the next, F - 1.

    Returns
    -------
    switched_in
        First scan in which a place has the other polarity and keeps it for the next scan, if there
        is one; 0 where it never switched, -1 where it was not measured in every scan; int16, shape
        (height, width).
    switched_fraction
        Part of the places measured in every scan whose polarity is not that of the first scan,
        shape (F,).
    """
    height, width = polarity[0].shape
    place = np.argwhere(np.ones((height, width), bool)).astype(float)
    seen, first = [polarity[0].ravel()], polarity[0].ravel()
    for later, drift in zip(polarity[1:], drifts, strict=True):
        place = drift.to_second(place)
        seen.append(polarity_at(later, place))
    measured = np.all([each != 0 for each in seen], axis=0)
    other = np.stack([each != first for each in seen]) & measured
    stays = other.copy()
    stays[:-1] &= other[1:]
    switched_in = np.where(stays.any(0), stays.argmax(0), 0).astype(np.int16)
    switched_in[~measured] = -1
    fraction = other.sum(1) / max(int(measured.sum()), 1)
    return switched_in.reshape(height, width), np.asarray(fraction, float)


def polarity_at(polarity: PolarityMap, position_px: NDArray[np.float64]) -> PolarityMap:
    """Polarity at places (y, x), shape (N,); 0 outside of the scan."""
    y, x = np.rint(position_px).astype(int).T
    height, width = polarity.shape
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    found = polarity[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return np.where(inside, found, 0).astype(np.int8)


def domain_events(
    before: PolarityMap, after: PolarityMap, drift: Drift, *, smallest_px: int
) -> list[DomainEvent]:
    """Domains that came, went, merged or parted between two scans.

    Parameters
    ----------
    before, after
        Polarity of the two scans.
    drift
        From the first to the second.
    smallest_px
        Domains of fewer pixels are noise.
    """
    place = np.argwhere(np.ones(before.shape, bool)).astype(float)
    moved = polarity_at(after, drift.to_second(place)).reshape(before.shape)
    both = (before != 0) & (moved != 0)
    events = []
    for sign in (1, -1):
        old = _domains((before == sign) & both, smallest_px)
        new = _domains((moved == sign) & both, smallest_px)
        shared = _shared(old, new)
        events += [_of_domain(new, n, "nucleated", sign) for n in _alone(shared.T)]
        events += [_of_domain(old, n, "collapsed", sign) for n in _alone(shared)]
        events += [_of_pair(old, pair, "merged", sign) for pair in _pairs(shared.T)]
        events += [_of_pair(new, pair, "split", sign) for pair in _pairs(shared)]
    return events


def _domains(mask: NDArray[np.bool_], smallest_px: int) -> NDArray[np.int32]:
    from scipy import ndimage

    label, _ = ndimage.label(mask)
    size = np.bincount(label.ravel())
    size[0] = 0
    keep = np.flatnonzero(size >= smallest_px)
    number = np.zeros(len(size), np.int32)
    number[keep] = np.arange(1, len(keep) + 1)
    return np.asarray(number[label], np.int32)


def _shared(old: NDArray[np.int32], new: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which old domains (rows) and new ones (columns) are the same, in part at least."""
    n_old, n_new = int(old.max()), int(new.max())
    pair = old.ravel() * (n_new + 1) + new.ravel()
    overlap = np.bincount(pair, minlength=(n_old + 1) * (n_new + 1)).reshape(n_old + 1, n_new + 1)
    smaller = np.minimum.outer(
        np.bincount(old.ravel(), minlength=n_old + 1), np.bincount(new.ravel(), minlength=n_new + 1)
    )
    return np.asarray(overlap >= np.maximum(SHARED * smaller, 1))[1:, 1:]


def _alone(shared: NDArray[np.bool_]) -> list[int]:
    """Domains, from 1, that share with none."""
    return [int(n) + 1 for n in np.flatnonzero(~shared.any(1))]


def _pairs(shared: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The largest partner's number aside, a pair for each further domain that one row shares."""
    pairs = []
    for row in shared:
        first, *others = [int(n) + 1 for n in np.flatnonzero(row)] or [0]
        pairs += [(first, other) for other in others]
    return pairs


def _of_domain(
    label: NDArray[np.int32], n: int, kind: Literal["nucleated", "collapsed"], sign: int
) -> DomainEvent:
    where = np.argwhere(label == n)
    y, x = where.mean(0)
    return DomainEvent(kind, (float(y), float(x)), len(where), sign)


def _of_pair(
    label: NDArray[np.int32], pair: tuple[int, int], kind: Literal["merged", "split"], sign: int
) -> DomainEvent:
    from scipy.spatial import cKDTree

    one, other = (np.argwhere(label == n) for n in pair)
    away, nearest = cKDTree(one).query(other)
    y, x = (other[away.argmin()] + one[nearest[away.argmin()]]) / 2
    return DomainEvent(kind, (float(y), float(x)), min(len(one), len(other)), sign)
