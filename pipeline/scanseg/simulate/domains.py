"""Where ferroelectric domains lie: fields whose zero lines are the walls.

A field instead of an image of domains: its zero line is known to a fraction of a pixel, it can be
looked up wherever a drifting scan really was, and walls and signal come from one source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scanseg.micrograph import FloatImage

__all__ = [
    "Domains",
    "Grains",
    "Lamellae",
    "Labyrinth",
    "add_lamellae",
    "draw_grains",
    "draw_lamellae",
    "gaussian_mesh",
    "pole_box",
    "relax",
    "sample_mesh",
    "uniform_domain",
]

# Lamellae of a grain that have numbers of their own; farther ones repeat them.
N_LAMELLAE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Domains:
    """The domains of a scan; all images have its shape (height, width).

    Parameters
    ----------
    y, x
        Where in the crystal each pixel lies, in pixels, before drift and twins distorted it.
    level
        Positive where the polarisation points up, negative where down; any smooth unit. Its zero
        lines are the 180° walls.
    twin
        Distance in pixels to the nearest border of an a domain, positive inside of it; its zero
        lines are the ferroelastic walls.
    in_plane_rad
        Direction of the polarisation in a domains, from x towards y.
    tilt
        Relief of twinned surfaces, in pixels of height at a surface tilt of 1; it rises in a
        domains and falls beside them.
    grain
        Number of the grain.
    grain_distance
        Distance in pixels to the nearest grain boundary.
    strength
        Local piezoelectric coefficient over that of a c domain.
    """

    y: FloatImage
    x: FloatImage
    level: FloatImage
    twin: FloatImage
    in_plane_rad: FloatImage
    tilt: FloatImage
    grain: NDArray[np.int32]
    grain_distance: FloatImage
    strength: FloatImage

    def polarity(self) -> FloatImage:
        """+1 up and -1 down; pixels that a wall crosses are in between, by the share of each."""
        down, across = np.gradient(self.level)
        slope = np.sqrt(down * down + across * across) + np.float32(1e-6)
        return np.asarray(np.clip(2.0 * self.level / slope, -1.0, 1.0), np.float32)

    def a_share(self) -> FloatImage:
        """Share of a domain in each pixel, 0 to 1."""
        return np.asarray(np.clip(self.twin + np.float32(0.5), 0.0, 1.0), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Labyrinth:
    """Polarisation on a periodic mesh, and the frozen field that pins its walls.

    Parameters
    ----------
    polarisation
        Shape (rows, columns).
    random_field
        Same shape.
    """

    polarisation: FloatImage
    random_field: FloatImage

    @classmethod
    def draw(
        cls, shape: tuple[int, int], rng: np.random.Generator, *, pinning: float, start: float = 0.0
    ) -> Labyrinth:
        """Noise around ``start``, and a random field of s.d. ``pinning``."""
        noise = rng.standard_normal((2, *shape), dtype=np.float32)
        return cls(np.float32(0.3) * noise[0] + np.float32(start), np.float32(pinning) * noise[1])

    def relaxed(self, *, applied_field: float, n_steps: int) -> Labyrinth:
        """The same sample after a time under a field: walls move on, or stay pinned."""
        moved = relax(self.polarisation, self.random_field + np.float32(applied_field), n_steps)
        return replace(self, polarisation=moved)


@njit(cache=True, nogil=True)
def relax(polarisation: FloatImage, field: FloatImage, n_steps: int) -> FloatImage:
    """Let the polarisation relax in a field (time-dependent Ginzburg-Landau).

    ``dP/dt = P - P³ + lap P + E`` on a periodic mesh, explicit steps of 0.2 (stable below 0.25).
    A wall is a tanh of half width sqrt(2) cells. 200 steps of 128² cells take 6 ms.

    Parameters
    ----------
    polarisation
        Shape (rows, columns).
    field
        Applied and frozen field, same shape.
    n_steps
        How many steps.
    """
    rows, columns = polarisation.shape
    now = polarisation.copy()
    after = np.empty_like(now)
    step, one, four = np.float32(0.2), np.float32(1.0), np.float32(4.0)
    for _ in range(n_steps):
        for i in range(rows):
            above, below = now[i - 1], now[(i + 1) % rows]
            row, force, out = now[i], field[i], after[i]
            for j in range(columns):
                p = row[j]
                right = row[j + 1] if j + 1 < columns else row[0]
                lap = above[j] + below[j] + row[j - 1] + right - four * p
                out[j] = p + step * (p * (one - p * p) + lap + force[j])
        now, after = after, now
    return now


def gaussian_mesh(shape: tuple[int, int], rng: np.random.Generator, *, band: float) -> FloatImage:
    """Periodic Gaussian random field with one feature every ``band`` cells, s.d. 1.

    A Gaussian ring in Fourier space: labyrinths of one period, as in magnetic films, get islands
    once a threshold is set beside 0.
    """
    from scipy import fft

    spectrum = fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    ky = fft.fftfreq(shape[0])[:, None].astype(np.float32)
    kx = fft.rfftfreq(shape[1])[None].astype(np.float32)
    k = np.sqrt(ky * ky + kx * kx) * np.float32(band)
    width = rng.uniform(0.15, 0.8)
    ring = np.exp(-(((k - 1.0) / width) ** 2)) + np.float32(rng.uniform(0, 0.04)) * np.exp(-k)
    field = fft.irfft2(spectrum * ring.astype(np.float32), s=shape)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-9), np.float32)


@njit(cache=True, nogil=True, fastmath=True)
def sample_mesh(mesh: FloatImage, y: FloatImage, x: FloatImage) -> FloatImage:
    """Periodic mesh between its cells by cubic B-splines, smooth to the second derivative.

    The splines go near the nodes, not through them: here they define the field.

    Parameters
    ----------
    mesh
        Shape (rows, columns).
    y, x
        Positions in cells, shape (height, width).
    """
    rows, columns = mesh.shape
    out = np.empty(y.shape, np.float32)
    wy, wx = np.empty(4, np.float32), np.empty(4, np.float32)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            top, left = int(np.floor(y[i, j])), int(np.floor(x[i, j]))
            for weight, t in ((wy, y[i, j] - top), (wx, x[i, j] - left)):
                s = np.float32(1.0) - t
                weight[0] = s * s * s / 6
                weight[1] = (4 - 6 * t * t + 3 * t * t * t) / 6
                weight[2] = (4 - 6 * s * s + 3 * s * s * s) / 6
                weight[3] = t * t * t / 6
            total = np.float32(0.0)
            for a in range(4):
                row = mesh[(top + a - 1) % rows]
                part = np.float32(0.0)
                for b in range(4):
                    part += wx[b] * row[(left + b - 1) % columns]
                total += wy[a] * part
            out[i, j] = total
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Grains:
    """A Voronoi tessellation; one grain is a single crystal, N of them.

    Parameters
    ----------
    label
        Number of the grain, shape (height, width).
    distance
        Distance to the nearest boundary in pixels, same shape.
    count
        N.
    """

    label: NDArray[np.int32]
    distance: FloatImage
    count: int


def draw_grains(
    y: FloatImage, x: FloatImage, rng: np.random.Generator, *, size_px: float,
    form: Literal["round", "square"], rotation_rad: float = 0.0,
) -> Grains:  # fmt: skip
    """Grains of about ``size_px``: polygons, or blocks along two directions at right angles."""
    low = np.array([y.min(), x.min()]) - size_px
    high = np.array([y.max(), x.max()]) + size_px
    n_seeds = int(np.clip(np.prod(high - low) / size_px**2, 3, 150))
    seeds = rng.uniform(low, high, (n_seeds, 2)).astype(np.float32)
    cos, sin = np.float32(np.cos(rotation_rad)), np.float32(np.sin(rotation_rad))
    turned = np.stack(
        [cos * seeds[:, 0] - sin * seeds[:, 1], sin * seeds[:, 0] + cos * seeds[:, 1]], 1
    )
    label, distance = _nearest_seed(cos * y - sin * x, sin * y + cos * x, turned, form == "square")
    return Grains(label, distance, n_seeds)


@njit(cache=True, nogil=True, fastmath=True)
def _nearest_seed(
    y: FloatImage, x: FloatImage, seeds: NDArray[np.float32], square: bool
) -> tuple[NDArray[np.int32], FloatImage]:
    label = np.empty(y.shape, np.int32)
    distance = np.empty(y.shape, np.float32)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            best = second = np.float32(1e12)
            nearest = other = 0
            for n in range(len(seeds)):
                down, across = y[i, j] - seeds[n, 0], x[i, j] - seeds[n, 1]
                reach = max(abs(down), abs(across)) if square else down * down + across * across
                if reach < best:
                    second, other = best, nearest
                    best, nearest = reach, n
                elif reach < second:
                    second, other = reach, n
            label[i, j] = nearest
            apart = np.float32(1.0)
            if not square:
                apart = np.hypot(
                    seeds[nearest, 0] - seeds[other, 0], seeds[nearest, 1] - seeds[other, 1]
                )
            distance[i, j] = (second - best) / (2 * apart)
    return label, distance


@dataclass(frozen=True, slots=True, eq=False)
class Lamellae:
    """One family of a lamellae in each of N grains, with L = 64 lamellae of their own each.

    Parameters
    ----------
    angle_rad
        Direction of the normal, from x towards y, shape (N,).
    period_px
        Distance of neighbours, shape (N,).
    offset
        Where the first one lies, in periods, shape (N,).
    shift
        How far each lies off its place, in periods, shape (N, L).
    half_width_px
        Half width, shape (N, L); 0 for a lamella that is missing.
    start_px, end_px
        Ends along the lamella, shape (N, L).
    taper_px
        Over which length needle tips close.
    boundary_taper_px
        Over which distance from a grain boundary lamellae close; 0 for those that run into it.
    """

    angle_rad: NDArray[np.float32]
    period_px: NDArray[np.float32]
    offset: NDArray[np.float32]
    shift: NDArray[np.float32]
    half_width_px: NDArray[np.float32]
    start_px: NDArray[np.float32]
    end_px: NDArray[np.float32]
    taper_px: float
    boundary_taper_px: float

    def turned(self, angle_rad: float) -> Lamellae:
        """The same lamellae in another direction."""
        return replace(self, angle_rad=self.angle_rad + np.float32(angle_rad))


def draw_lamellae(
    rng: np.random.Generator, *, angle_rad: NDArray[np.float64], period_px: float,
    narrowest_px: float, share: float, reach_px: float, boundary_taper_px: float = 0.0,
) -> Lamellae:  # fmt: skip
    """Lamellae of a period, along given directions.

    Parameters
    ----------
    rng
        Source of randomness.
    angle_rad
        Normals of the N grains.
    period_px
        Typical period.
    narrowest_px
        Narrowest lamella: two walls closer than this are one line in the image.
    share
        Part of the grains and lamellae that are there.
    reach_px
        Diagonal of the field of view: needles end somewhere inside.
    boundary_taper_px
        See ``Lamellae``.
    """
    n = len(angle_rad)
    each = (n, N_LAMELLAE)
    period = period_px * rng.uniform(0.75, 1.4, n)
    duty = rng.uniform(0.25, 0.6, n)[:, None] * rng.uniform(0.7, 1.3, each)
    half = np.clip(duty * period[:, None], narrowest_px, 0.75 * period[:, None]) / 2
    half *= rng.uniform(size=each) < share
    if n > 1:  # some grains have none
        half *= (rng.uniform(size=n) < max(share, 0.5))[:, None]
    needles = rng.uniform(0, 0.7)
    start = np.where(rng.uniform(size=each) < needles, rng.normal(-0.2, 0.3, each), -9.0)
    end = np.where(rng.uniform(size=each) < needles, rng.normal(0.2, 0.3, each), 9.0)
    return Lamellae(
        angle_rad=angle_rad.astype(np.float32),
        period_px=period.astype(np.float32),
        offset=rng.uniform(0, N_LAMELLAE, n).astype(np.float32),
        shift=rng.uniform(-0.1, 0.1, each).astype(np.float32),
        half_width_px=half.astype(np.float32),
        start_px=(start * reach_px).astype(np.float32),
        end_px=(end * reach_px).astype(np.float32),
        taper_px=float(rng.uniform(1.0, 4.0) * period_px),
        boundary_taper_px=boundary_taper_px,
    )


def add_lamellae(domains: Domains, grains: Grains, family: Lamellae, *, shear: float) -> Domains:
    """Domains with a family of a lamellae; where two families meet, both are a domains.

    Twins shear the crystal: what is drawn afterwards, such as 180° walls, kinks at their walls.
    """
    twin, tilt = _lamella_fields(
        domains.y, domains.x, grains.label, grains.distance,
        family.angle_rad, family.period_px, family.offset, family.shift, family.half_width_px,
        family.start_px, family.end_px, family.taper_px, family.boundary_taper_px,
    )  # fmt: skip
    inside = twin > domains.twin
    slide = np.float32(shear) * tilt
    return replace(
        domains,
        y=domains.y + slide * np.cos(family.angle_rad)[grains.label],
        x=domains.x - slide * np.sin(family.angle_rad)[grains.label],
        twin=np.maximum(twin, domains.twin),
        tilt=domains.tilt + tilt,
        in_plane_rad=np.where(inside, family.angle_rad[grains.label], domains.in_plane_rad),
        grain=grains.label,
        grain_distance=grains.distance,
    )


@njit(cache=True, nogil=True, fastmath=True)
def _lamella_fields(
    y: FloatImage, x: FloatImage, grain: NDArray[np.int32], distance: FloatImage,
    angle: NDArray[np.float32], period: NDArray[np.float32], offset: NDArray[np.float32],
    shift: NDArray[np.float32], half_width: NDArray[np.float32], start: NDArray[np.float32],
    end: NDArray[np.float32], taper: float, boundary_taper: float,
) -> tuple[FloatImage, FloatImage]:  # fmt: skip
    """Distance to the border of the nearest lamella, and the relief."""
    twin = np.empty(y.shape, np.float32)
    tilt = np.empty(y.shape, np.float32)
    cosines, sines = np.cos(angle), np.sin(angle)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            g = grain[i, j]
            cos, sin = cosines[g], sines[g]
            across = (cos * x[i, j] + sin * y[i, j]) / period[g] + offset[g]
            along = cos * y[i, j] - sin * x[i, j]
            number = int(np.floor(across + 0.5))
            n = number % shift.shape[1]
            beside = (across - number - shift[g, n]) * period[g]
            half = half_width[g, n]
            closing = min(along - start[g, n], end[g, n] - along) / taper
            if boundary_taper > 0:
                closing = min(closing, distance[i, j] / boundary_taper)
            # A needle closes as a square root: a sharp end, of which less than a pixel is hidden.
            closing = np.sqrt(min(closing, 1.0)) if closing > 0 else max(closing, -1.0)
            width = half * closing if half > 0 else -period[g]
            twin[i, j] = width - abs(beside)
            width = max(width, 0.0)
            clipped = min(max(beside, -width), width)
            tilt[i, j] = clipped - 2 * width * beside / period[g]
    return twin, tilt


def uniform_domain(y: FloatImage, x: FloatImage) -> Domains:
    """A single c domain that points up."""
    zero = np.zeros(y.shape, np.float32)
    return Domains(
        y=y, x=x, level=zero + 1, twin=zero - 1e3, in_plane_rad=zero, tilt=zero,
        grain=np.zeros(y.shape, np.int32), grain_distance=zero + 1e3, strength=zero + 1,
    )  # fmt: skip


def pole_box(
    domains: Domains, rng: np.random.Generator, *, size_px: tuple[float, float], up: bool
) -> Domains:
    """A rectangle written by the tip, all up or all down, at a random place and angle."""
    height, width = domains.y.shape
    centre = rng.uniform((0.2 * height, 0.2 * width), (0.8 * height, 0.8 * width))
    angle = rng.choice([0.0, rng.uniform(0, np.pi)])
    down, across = domains.y - np.float32(centre[0]), domains.x - np.float32(centre[1])
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    inside = np.minimum(
        np.float32(size_px[0] / 2) - np.abs(cos * down - sin * across),
        np.float32(size_px[1] / 2) - np.abs(sin * down + cos * across),
    )
    # In units of the level's own slope, so that neither field drowns the other at their meeting.
    inside = inside * np.float32(typical_slope(domains.level))
    level = np.maximum(domains.level, inside) if up else np.minimum(domains.level, -inside)
    return replace(domains, level=level)


def typical_slope(level: FloatImage) -> float:
    """Mean slope of a level field, a pixel; 0.1 where it is flat."""
    slope = float(np.abs(np.diff(level[::4], axis=1)).mean())
    return slope if slope > 1e-6 else 0.1
