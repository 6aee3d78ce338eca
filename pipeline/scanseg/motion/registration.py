"""Drift between scans of one place: a shift, the shear of a scanner that creeps, and their errors.

Walls move between scans because they were driven, and because the sample drifted. Switching changes
amplitude and phase and leaves the topography alone, so that tells the drift where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from scanseg.config import Config
from scanseg.micrograph import Mask, Micrograph, Signal

__all__ = ["Distortion", "Drift", "DriftEstimation", "identity_drift", "register_drift"]

Distortion = Literal["shift", "linear", "creep"]
Array = NDArray[np.float64]

# In order of trust: what switching leaves alone, what it changes at walls, what it turns over.
HOLDS = (Signal.TOPOGRAPHY, Signal.PFM_AMPLITUDE, Signal.PFM_PHASE)
N_TERMS: dict[Distortion, int] = {"shift": 1, "linear": 2, "creep": 4}
# What takes part in the switching is pulled along: errors of shifts from amplitude or phase were 3
# times what scatter alone says, on 34 simulated pairs whose walls moved by pixels.
PULLED_BY_WALLS = 3.0
# Creep after the tip's jump to the first line dies away over a tenth of the frame.
CREEP_FRACTION = 0.1
# A surface that repeats itself fits nearly as well a period away.
AMBIGUOUS = 0.97
# Beyond so many robust deviations a pixel is dust or a jump, and counts as this one.
CLIPPED_AT = 4.0
DETAIL_PX = 5.0
SMOOTHING_PX = 1.0
# More robust deviations off its row, a pixel is dust, unless there is too much of it to be dust.
DUST_FROM = 12.0
LARGEST_DUST_SHARE = 0.1
# Residuals of so many robust deviations count half.
LOUD = 3.0
# Errors come from the scatter of the pull of so many blocks a side: noise of images is correlated
# within rows and within the tip's width, and pixels counted one by one would promise too much.
N_BLOCKS = 8
N_ROUNDS = 20
# Wald statistic from which distortions are believed. By chance 4 coefficients exceed 24 once in
# 10,000 frames; the rest allows for the covariance being itself estimated from some 60 blocks.
SIGNIFICANT = 40.0


class DriftEstimation(Config):
    """How the drift between two scans is estimated."""

    largest_shift_px: PositiveFloat = 32.0
    """How far to look."""
    distortion: Literal["auto", "shift", "linear", "creep"] = "auto"
    """What is fitted: a shift; its steady change from the first row to the last as well; a bow and
    the creep of the first rows as well. ``auto`` adds each where topography says so significantly,
    and fits a shift to other channels."""
    lowest_correlation: float = Field(default=0.2, gt=0, lt=1)
    """Correlation of the two scans below which there is nothing to hold on to."""
    largest_err_px: PositiveFloat = 1.0
    """Standard deviation of the shift above which it is not believed."""


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """Where the places of one scan are in the next; K terms.

    Parameters
    ----------
    coefficient_px
        Of each term, along (y, x), shape (2, K): the shift at the centre, its change from the first
        row to the last, its bow, the creep of the first row.
    covariance_px2
        Of the coefficients, those along y first, shape (2 K, 2 K).
    shape
        (height, width) of the scans.
    signal
        What the drift was taken from; None where there was nothing to hold on to, and the drift is
        zero without an error bar.
    correlation
        Of the two scans after the drift was taken out.
    warnings
        What a user must know before trusting displacements, one sentence each.
    """

    coefficient_px: Array
    covariance_px2: Array
    shape: tuple[int, int]
    signal: Signal | None
    correlation: float
    warnings: tuple[str, ...] = ()

    @property
    def shift_px(self) -> tuple[float, float]:
        """Shift of the centre along (y, x)."""
        centre = (np.array(self.shape) - 1) / 2
        dy, dx = self.at(centre[None])[0]
        return float(dy), float(dx)

    @property
    def shift_err_px(self) -> tuple[float, float]:
        """Standard deviations of the shift of the centre along (y, x)."""
        centre = (np.array(self.shape)[None] - 1) / 2
        y, x = (self.err_along(centre, np.array([unit]))[0] for unit in ((1.0, 0.0), (0.0, 1.0)))
        return float(y), float(x)

    def at(self, position_px: Array) -> Array:
        """Shift of each of N places (y, x) of the first scan, shape (N, 2)."""
        terms = _terms(position_px, self.shape, self.coefficient_px.shape[1])
        return np.asarray(terms @ self.coefficient_px.T)

    def to_second(self, position_px: Array) -> Array:
        """Where places of the first scan are in the second, shape (N, 2)."""
        return np.asarray(position_px + self.at(position_px))

    def to_first(self, position_px: Array) -> Array:
        """Where places of the second scan are in the first, shape (N, 2)."""
        found = np.asarray(position_px, float)
        for _ in range(6):  # slopes are a few per cent: each round gains two digits
            found = position_px - self.at(found)
        return found

    def err_along(self, position_px: Array, direction: Array) -> Array:
        """Standard deviation of the shift of N places along unit vectors (y, x), shape (N,)."""
        terms = _terms(position_px, self.shape, self.coefficient_px.shape[1])
        slope = np.concatenate([direction[:, :1] * terms, direction[:, 1:] * terms], 1)
        variance = np.einsum("np,pq,nq->n", slope, self.covariance_px2, slope)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def identity_drift(shape: tuple[int, int], *warnings: str) -> Drift:
    """No drift, since there is nothing to measure it with."""
    return Drift(np.zeros((2, 1)), np.zeros((2, 2)), shape, None, float("nan"), warnings)


def register_drift(
    first: Mapping[Signal, Micrograph], second: Mapping[Signal, Micrograph], *,
    config: DriftEstimation | None = None,
) -> Drift:  # fmt: skip
    """Drift from one scan of a place to the next.

    Parameters
    ----------
    first, second
        Channels of the two scans, all of one shape; pixels that were not measured are NaN.
    config
        How.

    Returns
    -------
    drift
        The identity, with a warning, where no channel holds.

    Notes
    -----
    Normalised cross-correlation of levelled images finds the shift to a pixel; Gauss-Newton on the
    differences, pixels weighted down as they stand out (Huber), finds it to a few hundredths. What
    moved with the walls stands out and is weighted down alike.
    """
    config = config or DriftEstimation()
    shape = _common_shape(first, second)
    refused = []
    for signal in HOLDS:
        if signal in first and signal in second:
            drift, reason = _from_channel(first[signal], second[signal], signal, config)
            if drift is not None:
                return drift
            refused.append(f"{signal.value} {reason}")
    why = "; ".join(refused) or "no channel is in both"
    return identity_drift(
        shape,
        f"The drift between two scans could not be measured ({why}): their walls are compared "
        "as if nothing had drifted.",
    )


def _common_shape(*scans: Mapping[Signal, Micrograph]) -> tuple[int, int]:
    shapes = {image.shape for scan in scans for image in scan.values()}
    if len(shapes) != 1:
        raise ValueError(f"scans of one place have one shape, these have {sorted(shapes)}")
    return shapes.pop()


def _from_channel(
    first: Micrograph, second: Micrograph, signal: Signal, config: DriftEstimation
) -> tuple[Drift | None, str]:
    """The drift that a channel tells, or why it tells none."""
    one, seen_one = _planes(first, signal)
    other, seen_other = _planes(second, signal)
    if not (one.any() and other.any()):
        return None, "is constant"
    start, correlation, reason = _coarse_shift(one, seen_one, other, seen_other, config)
    if reason:
        return None, reason
    fit = _Fit(one, seen_one, other, seen_other)
    certain = signal is Signal.TOPOGRAPHY
    distortion = config.distortion
    if distortion == "auto" and not certain:
        distortion = "shift"
    coefficient, covariance = _distorted(fit, start, distortion)
    if not certain:
        covariance = covariance * PULLED_BY_WALLS**2
    drift = Drift(coefficient, covariance, first.shape, signal, correlation)
    err = max(drift.shift_err_px)
    if not err <= config.largest_err_px:
        return None, f"fixes the shift to {err:.2g} px only"
    correlation = fit.correlation(coefficient)
    if correlation < config.lowest_correlation:
        return None, f"correlates to {correlation:.2f} only"
    warnings: tuple[str, ...] = ()
    if not certain:
        warnings = (
            f"The drift was taken from {signal.value}, which switching changes: motion that all "
            "walls share would be taken for drift.",
        )
    return replace(drift, correlation=correlation, warnings=warnings), ""


def _planes(image: Micrograph, signal: Signal) -> tuple[Array, Mask]:
    """Planes of unit spread without offsets of rows, shape (P, h, w), and what was measured."""
    data = np.asarray(image.data, np.float64)
    seen = np.isfinite(data)
    if signal is Signal.PFM_PHASE:
        angle = np.deg2rad(np.where(seen, data, 0.0))
        planes = [np.cos(angle), np.sin(angle)]
    else:
        planes = [data]
    values = np.stack([_in_spreads(plane, seen) for plane in planes])
    dust = (np.abs(values) > DUST_FROM).any(0) & seen
    if 0 < dust.mean() < LARGEST_DUST_SHARE:
        # Dust has a pull that weights cannot undo: it comes and goes, and is higher than anything.
        seen = seen & ~dust
        values[:, dust] = 0.0
    return values, seen


def _in_spreads(plane: Array, seen: Mask) -> Array:
    """In units of the robust spread, which dust does not change; flat planes become zero."""
    level = np.zeros((len(plane), 1))
    for row in np.flatnonzero(seen.any(1)):
        level[row] = np.median(plane[row, seen[row]])
    flat = np.where(seen, plane - level, 0.0)
    values = flat[seen]
    spread = 1.4826 * float(np.median(np.abs(values))) if values.size else 0.0
    spread = spread or float(values.std() if values.size else 0.0)
    if not spread > 1e-9 * float(np.abs(plane[seen]).max(initial=0.0)):
        return np.zeros(plane.shape)
    return np.asarray(flat / spread)


def _coarse_shift(
    one: Array, seen_one: Mask, other: Array, seen_other: Mask, config: DriftEstimation
) -> tuple[Array, float, str]:
    """Shift to a pixel, its correlation, and what speaks against it."""
    from scipy import ndimage

    reach = int(min(config.largest_shift_px, min(seen_one.shape) / 3))
    # Without what is wider than DETAIL_PX, peaks of rough surfaces are sharp.
    one, other = (
        ndimage.gaussian_filter(each, (0, 1, 1))
        - ndimage.gaussian_filter(each, (0, DETAIL_PX, DETAIL_PX))
        for each in (one, other)
    )
    correlation = _masked_correlation(one, seen_one, other, seen_other, reach)
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    # Of the equal peaks of a periodic surface, the nearest.
    peak = np.unravel_index(
        np.argmax(correlation - 0.02 * np.hypot(down, across) / reach), correlation.shape
    )
    height = float(correlation[peak])
    shift = np.array([float(down[peak]), float(across[peak])])
    off = correlation[np.hypot(down - shift[0], across - shift[1]) > max(3.0, reach / 3)]
    if height < config.lowest_correlation:
        return shift, height, f"correlates to {height:.2f} only"
    if off.size and float(off.max()) > AMBIGUOUS * height:
        return shift, height, "fits as well at another shift"
    if np.abs(shift).max() >= reach:
        return shift, height, f"has no best shift within {reach} px"
    return shift, height, ""


def _detail(planes: Array, seen: Mask) -> Array:
    """Without what is wider than ``DETAIL_PX``, so that peaks are sharp, and without dust."""
    from scipy import ndimage

    fine, coarse = (
        ndimage.gaussian_filter(planes, (0, width, width)) for width in (SMOOTHING_PX, DETAIL_PX)
    )
    detail = fine - coarse
    spread = 1.4826 * np.median(np.abs(detail[:, seen]), axis=1)[:, None, None]
    return np.asarray(np.where(seen, np.clip(detail, -CLIPPED_AT * spread, CLIPPED_AT * spread), 0))


def _masked_correlation(
    one: Array, seen_one: Mask, other: Array, seen_other: Mask, reach: int
) -> Array:
    """Correlation over what both scans measured, at shifts of up to ``reach``, (2 R + 1, 2 R + 1).

    Padfield, IEEE Trans. Image Process. 21, 2706 (2012).
    """
    from scipy import fft

    size = [fft.next_fast_len(side + reach, real=True) for side in seen_one.shape]
    axes = (-2, -1)

    def spectrum(image: Array) -> NDArray[np.complex128]:
        return np.asarray(fft.rfft2(image, size, axes=axes))

    def crossed(a: NDArray[np.complex128], b: NDArray[np.complex128]) -> Array:
        product = np.conj(a) * b
        whole = fft.irfft2(product, size, axes=axes)
        near = np.arange(-reach, reach + 1)
        return np.asarray(whole[..., near[:, None], near])

    weight_one, weight_other = spectrum(seen_one.astype(float)), spectrum(seen_other.astype(float))
    value_one, value_other = spectrum(one), spectrum(other)
    overlap = np.maximum(crossed(weight_one, weight_other), 1.0)
    mean_one, mean_other = crossed(value_one, weight_other), crossed(weight_one, value_other)
    product = crossed(value_one, value_other) - mean_one * mean_other / overlap
    power_one = crossed(spectrum(one**2), weight_other) - mean_one**2 / overlap
    power_other = crossed(weight_one, spectrum(other**2)) - mean_other**2 / overlap
    power = np.maximum(power_one.sum(0), 1e-9) * np.maximum(power_other.sum(0), 1e-9)
    # A corner of two scans may fit by chance: shifts count by how much they leave to compare.
    share = overlap / overlap.max()
    return np.asarray(product.sum(0) / np.sqrt(power) * np.sqrt(np.minimum(1.0, 2 * share)))


class _Fit:
    """Gauss-Newton for the drift between two scans, P planes of shape (h, w) each.

    Beside the drift are fitted, and tell nothing: the contrast of the second scan over the first,
    an offset of each row, a tilt and a bow along the rows.
    """

    def __init__(self, one: Array, seen_one: Mask, other: Array, seen_other: Mask) -> None:
        from scipy import ndimage

        # Pixel noise is smoothed away before slopes are taken from it.
        one, other = (
            ndimage.gaussian_filter(each, (0, SMOOTHING_PX, SMOOTHING_PX)) for each in (one, other)
        )
        self.one = one.reshape(len(one), -1)
        self.slope_one = [each.reshape(len(one), -1) for each in np.gradient(one, axis=(1, 2))]
        self.other = [ndimage.spline_filter(plane) for plane in other]
        self.slope_other = list(np.gradient(other, axis=(1, 2)))
        self.seen_one = ndimage.binary_erosion(seen_one, iterations=3).ravel()
        self.seen_other = ndimage.binary_erosion(seen_other, iterations=3).astype(float)
        self.shape = seen_one.shape
        self.place = np.argwhere(np.ones(self.shape, bool)).astype(float)

    def solve(self, coefficient: Array) -> tuple[Array, Array]:
        """Coefficients (2, K), from those to start with, and their covariance."""
        contrast = np.ones(len(self.one))
        for _ in range(N_ROUNDS):
            normal, pull, contrast = self._linearised(coefficient, contrast)
            # Slopes of one scan times those of the other: noise alone gives no positive power.
            if not np.linalg.eigvalsh(normal).min() > 1e-6 * np.trace(normal):
                return coefficient, np.full(normal.shape, np.inf)
            step = np.clip(-np.linalg.solve(normal, pull.sum(0)), -1.0, 1.0)
            coefficient = coefficient + step.reshape(coefficient.shape)
            if np.abs(step).max() < 1e-3:
                break
        normal, pull, _ = self._linearised(coefficient, contrast, curved=True)
        inverse = np.linalg.pinv(normal)
        scatter = pull.T @ pull * (len(pull) / max(len(pull) - len(normal), 1))
        return coefficient, inverse @ scatter @ inverse

    def correlation(self, coefficient: Array) -> float:
        """Of the two scans where both were measured."""
        at, inside = self._places(coefficient)
        product, power = 0.0, np.zeros(2)
        for one, spline in zip(self.one, self.other, strict=True):
            pair = np.stack([one, _at(spline, at)], 1)
            pair = _without(pair, self._beside(one)[:, 1:], inside, self.shape)[inside]
            product += float(pair[:, 0] @ pair[:, 1])
            power += (pair**2).sum(0)
        return product / float(np.sqrt(power.prod())) if power.prod() > 0 else 0.0

    def _linearised(
        self, coefficient: Array, contrast: Array, *, curved: bool = False
    ) -> tuple[Array, Array, Array]:
        """Normal matrix (2 K, 2 K), pulls of the blocks (B, 2 K), and contrasts (P,).

        Steps take weights as constants; ``curved`` counts that a pixel which stands out pulls less
        the farther it is moved, as error bars must.
        """
        n = coefficient.size
        terms = _terms(self.place, self.shape, coefficient.shape[1])
        at, inside = self._places(coefficient)
        normal, pull, contrasts = np.zeros((n, n)), np.zeros((N_BLOCKS**2, n)), []
        for p, one in enumerate(self.one):
            other = _at(self.other[p], at)
            slopes = [
                np.concatenate([slope[:, None] * terms for slope in both], 1)
                for both in (
                    [contrast[p] * slope[p] for slope in self.slope_one],
                    [_at(slope[p], at, order=1) for slope in self.slope_other],
                )
            ]
            beside = self._beside(one)
            residual = _without(other[:, None], beside, inside, self.shape)[:, 0]
            spread = 1.4826 * float(np.median(np.abs(residual[inside]))) + 1e-9
            stands_out = (residual / (LOUD * spread)) ** 2
            weight = inside / (1 + stands_out) / spread**2
            columns = np.concatenate([*slopes, other[:, None]], 1)
            columns = _without(columns, beside, weight, self.shape)
            first, second, residual = columns[:, :n], columns[:, n : 2 * n], columns[:, -1]
            crossed = first.T @ (weight[:, None] * second)
            if curved:
                bent = weight * (1 - stands_out) / (1 + stands_out)
                crossed *= max(float(bent.sum() / weight.sum()), 0.1)
            normal += (crossed + crossed.T) / 2
            pull += self._by_block((first + second) / 2 * (weight * residual)[:, None])
            pair = _without(np.stack([one, other], 1), beside[:, 1:], weight, self.shape)
            product, power = (weight * pair[:, 0]) @ pair[:, ::-1]
            contrasts.append(float(product) / max(float(power), 1e-9))
        return normal, pull, np.clip(contrasts, 0.2, 5.0)

    def _places(self, coefficient: Array) -> tuple[Array, Mask]:
        """Where the first scan's pixels are in the second, (2, N), and whether both measured it."""
        terms = _terms(self.place, self.shape, coefficient.shape[1])
        at = (self.place + terms @ coefficient.T).T
        return at, np.asarray((_at(self.seen_other, at, order=1) > 0.99) & self.seen_one)

    def _beside(self, one: Array) -> Array:
        """What tells no drift, rows' offsets apart: the scan itself, tilt and bow, shape (N, 3)."""
        across = self.place[:, 1] / self.shape[1] - 0.5
        return np.stack([one, across, across**2], 1)

    def _by_block(self, values: Array) -> Array:
        """Sums over the blocks of the frame, shape (B, K)."""
        block = np.floor(self.place / np.array(self.shape) * N_BLOCKS) @ np.array([N_BLOCKS, 1])
        summed = np.zeros((N_BLOCKS**2, values.shape[1]))
        np.add.at(summed, block.astype(int), values)
        return summed


def _at(spline: Array, at: Array, *, order: int = 3) -> Array:
    from scipy import ndimage

    return np.asarray(ndimage.map_coordinates(spline, at, order=order, prefilter=False))


def _without(columns: Array, beside: Array, weight: NDArray[Any], shape: tuple[int, int]) -> Array:
    """Columns (N, C) less what offsets of rows and the columns ``beside`` explain of them."""
    n_columns = columns.shape[1]
    both = np.concatenate([columns, beside], 1).reshape(*shape, -1)
    by_row = weight.reshape(*shape, 1).astype(float)
    mean = (by_row * both).sum(1) / np.maximum(by_row.sum(1), 1e-9)
    both = (both - mean[:, None]).reshape(len(columns), -1)
    columns, beside = both[:, :n_columns], both[:, n_columns:]
    weighted = beside * weight[:, None]
    normal = weighted.T @ beside
    normal += 1e-9 * np.trace(normal) * np.eye(len(normal))
    return np.asarray(columns - beside @ np.linalg.solve(normal, weighted.T @ columns))


def _distorted(
    fit: _Fit, start: Array, distortion: Literal["auto", "shift", "linear", "creep"]
) -> tuple[Array, Array]:
    """The fit that was asked for; of ``auto``, the richest one that is significant."""
    coefficient, covariance = fit.solve(start[:, None])
    richest = N_TERMS["creep" if distortion == "auto" else distortion]
    for n_terms in (2, 4):
        if n_terms > richest or not np.isfinite(covariance).all():
            break
        more = np.pad(coefficient, ((0, 0), (0, n_terms - coefficient.shape[1])))
        richer, richer_covariance = fit.solve(more)
        n_before = coefficient.shape[1]
        if distortion == "auto" and not _is_significant(richer, richer_covariance, n_before):
            break
        coefficient, covariance = richer, richer_covariance
    return coefficient, covariance


def _is_significant(coefficient: Array, covariance: Array, n_before: int) -> bool:
    """Whether terms from number ``n_before`` on differ from zero, by Wald's statistic."""
    n_terms = coefficient.shape[1]
    new = [n + side for side in (0, n_terms) for n in range(n_before, n_terms)]
    within = covariance[np.ix_(new, new)]
    if not np.isfinite(within).all():
        return False
    value = coefficient.ravel()[new]
    return bool(value @ np.linalg.solve(within, value) > SIGNIFICANT)


def _terms(position_px: Array, shape: tuple[int, int], n_terms: int) -> Array:
    """1, the way down the frame, its square, and the decay of creep, shape (N, K)."""
    y = np.asarray(position_px, float)[:, 0]
    down = (y - (shape[0] - 1) / 2) / shape[0]
    creep = np.exp(-np.maximum(y, 0.0) / (CREEP_FRACTION * shape[0]))
    return np.stack([np.ones_like(y), down, down**2, creep], 1)[:, :n_terms]
