"""All walls of a scan fitted together: what does not change along a wall is fitted once.

A profile alone leaves its two plateaus, its width and the tails of the next walls unknown, and
takes each bend of the wall for a straight piece. Here one tip has one width; plateaus change slowly
along a wall; 180° walls share the middle of their two sides (the instrument's background); the next
walls are part of the model; all ferroelastic walls share the strength of their dark line, which
would pass for a shift otherwise; and the line follows from offsets of all points (``_curve``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.walls.corners import LED_ON_PX, Section, corner_sections
from scanseg.walls.lines import SPAN, WallLine
from scanseg.walls.profile import INTERPOLATED_VARIANCE

__all__ = ["JointFit", "fit_walls"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ComplexArray = NDArray[np.complex128]

N_ROUNDS = 10
# From this round on profiles are corrected for what a profile alone does not model.
PLANE_ROUND = 3
# Variance that sampling between pixels adds to that of the tip.
SAMPLED_S2 = 0.25
# S.d. of the Gaussian whose error function has the slope of tanh(t / w).
SIGMA_OF_HALF_WIDTH = float(np.sqrt(2 / np.pi))
# Over which length plateaus are taken for equal: 180° walls bend, straight walls do not.
TIED_PX, TIED_STRAIGHT_PX = 8.0, 30.0
# How firmly, against the profiles' own evidence, 180° walls have one middle, and the response
# alternates from wall to wall. Of two settings compared, 3 gave the points of one scan an s.d. of
# 0.94 px and 0.3 one of 0.77 px.
TIE_MIDDLE, TIE_NEXT = 0.1, 0.3
# Profiles are used so far: 1.5 w + 3 px; more adds the next domains' unevenness, not information.
REACH_HALF_WIDTHS, REACH_PX = 1.5, 3.0
# What is left for widths to grow by in later rounds.
SPARE_REACH_PX = 4.0
# Widths of one scan's walls differ by some 10 %.
WIDTH_SPREAD = 0.1
# A line on a step is nearly a shifted step, the more so the wider the tip: of ferroelastic walls,
# this much times w² in px is not told by the signal (0.05 px for w of 2 px, 0.8 px for 8).
UNTOLD_A_PX = 0.03
# 180° walls meander; ferroelastic ones are straight but for what the network added.
LARGEST_SD_PX, LARGEST_STRAIGHT_SD_PX = 1.0, 0.25
# No tip's edge is known to better than 2 % of the amplitude.
MODEL_ERROR = 0.02
# Errors (``_variance``) are those of simulated scans 0 to 11 of ``benchmarks/wall_positions.py`` at
# 5 % noise, with artefacts and without: what misfit, ends, corners, short pieces, wide tips add.
MOST_EXCESS = 20.0
# Profiles that leave more than their noise cross something that is no straight wall.
MOST_MISFIT = 3.0
# Fewer points than this tell less of their line than all do, corners and neighbours included.
FEWEST_PLAIN = 60
# After so many rounds, when the tip's width is known about, steps are told from lamellae narrower
# than the tip; these half widths are tried, over what two lines are drawn apart from.
STRIPS_ROUND = 2
STRIP_HALVES = (0.22, 0.36, 0.5)
STRIP_SHIFTS_PX = np.array([-1.2, -0.6, 0.0, 0.6, 1.2])
STRIP_SHARE = 0.8
# Points nearer to a corner than so many s.d. of the tip count less, by the square of the distance.
CORNER_SIGMAS = 2.0
# Ferroelastic walls are cut into pieces that a parabola fits to so much (rms, largest).
STRAIGHT_PX = (0.7, 1.9)
SHORTEST_PIECE_PX = 16


@dataclass(frozen=True, slots=True, eq=False)
class JointFit:
    """What was fitted, for N points of a wall.

    Parameters
    ----------
    position_px
        (y, x), shape (N, 2).
    position_err_px
        Standard deviation across the wall, shape (N,).
    half_width_px, half_width_err_px
        w of tanh(t / w) and its standard deviation.
    dip
        Smallest amplitude over the mean of both sides, shape (N,).
    """

    position_px: FloatArray
    position_err_px: FloatArray
    half_width_px: float
    half_width_err_px: float
    dip: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """A piece of a wall, its smooth base line and the network's line."""

    wall: int
    base: FloatArray
    expected: FloatArray
    closed: bool
    straight: bool
    ferroelastic: bool
    corner: bool = False


def fit_walls(
    lines: Sequence[WallLine], response: ComplexArray, *,
    half_width_px: float, reach_px: float, largest_shift_px: float,
) -> tuple[JointFit, ...]:  # fmt: skip
    """Fit all walls of a scan.

    Parameters
    ----------
    lines
        Where walls are expected.
    response
        Amplitude and phase as a complex number, shape (height, width); NaN where not measured.
    half_width_px
        Half width w to start from.
    reach_px
        How far across a wall the signal is used at most.
    largest_shift_px
        How far a wall may move.
    """
    if not lines:
        return ()
    stretches = [piece for k, line in enumerate(lines) for piece in _pieces(k, line)]
    state = _State(stretches, response, half_width_px, reach_px)
    for round_ in range(N_ROUNDS):
        state.improve(round_)
    return state.result(len(lines), largest_shift_px)


class _State:
    """The fit between its rounds: P stretches of N points in all."""

    def __init__(
        self, stretches: list[_Stretch], response: ComplexArray, half_width_px: float,
        reach_px: float,
    ) -> None:  # fmt: skip
        from scanseg.walls._along import normals_along
        from scanseg.walls._strip import N_BASIS, N_SUMS, next_walls, sample_profiles

        self.stretches = stretches
        self.length = np.array([len(s.base) for s in stretches])
        self.start = np.concatenate([[0], np.cumsum(self.length)[:-1]])
        self.of = np.repeat(np.arange(len(stretches)), self.length)
        self.closed = np.array([s.closed for s in stretches])
        self.straight = np.array([s.straight for s in stretches])
        self.base = np.concatenate([s.base for s in stretches])
        self.normal = np.empty_like(self.base)
        normals_along(self.base, self.closed, self.start, self.length, SPAN, self.normal)
        expected = np.concatenate([s.expected for s in stretches])
        self.expected = ((expected - self.base) * self.normal).sum(1)
        self.ferroelastic = np.array([s.ferroelastic for s in stretches])[self.of]
        self.corner = np.array([s.corner for s in stretches])
        self.to_corner = self._distance_to_corners()
        self.scale = np.where(self.straight, TIED_STRAIGHT_PX, TIED_PX)

        size = _median(np.abs(response))
        scaled = response / (size if size > 0 else 1.0)
        n_steps = int(1.6 * reach_px)
        self.position = np.arange(-n_steps, n_steps + 1, dtype=float)
        shape = len(self.base), len(self.position)
        self.profile, self.usable = np.empty(shape, complex), np.ones(shape)
        sample_profiles(scaled, self.base, self.normal, self.position, self.profile, self.usable)
        self.t_next, cut, self.next_point = next_walls(
            self.base, self.normal, self.of, self._point_of_pixel(response.shape),
            float(n_steps), 36.0,
        )  # fmt: skip
        within = (self.position >= -cut[:, :1]) & (self.position <= cut[:, 1:])
        self.usable *= within
        self.measured = self.profile
        self.model = np.zeros(shape, complex)
        self.shape = response.shape
        self.nearest: IntArray | None = None
        self.noise = _noise_variance(scaled)

        n = len(self.base)
        self.line, self.blurred = self.expected.copy(), self.expected.copy()
        self.log_width = np.full(len(stretches), np.log(half_width_px))
        self.own_log_width = self.log_width.copy()
        self.width_information = np.zeros(len(stretches))
        self.scan_log_width = float(np.log(half_width_px))
        self.rho = 0.1 if self.ferroelastic.any() else 0.0
        self.coefficient = np.zeros((n, N_BASIS), complex)
        self.own = np.empty((n, N_SUMS))
        self.variance = np.ones(n)
        alike = self.ferroelastic[:, None] == self.ferroelastic[np.maximum(self.next_point, 0)]
        known = (self.next_point >= 0) & np.isfinite(self.t_next)
        self.tie_next = np.where(alike & known, TIE_NEXT, 0.0)
        self.sign_next = np.tile([1.0, -1.0], (n, 1))
        self.half = np.zeros(n)
        self.half_beside = np.zeros((n, 2))

    def _distance_to_corners(self) -> FloatArray:
        """Points along a stretch to the nearest corner, shape (N,); inf without one."""
        before = np.concatenate([[False], self.corner[:-1]])
        along = np.arange(len(self.base)) - self.start[self.of]
        left = self.length[self.of] - along
        return np.minimum(
            np.where(before[self.of], along, np.inf), np.where(self.corner[self.of], left, np.inf)
        )

    def _point_of_pixel(self, shape: tuple[int, ...]) -> IntArray:
        """Which point is in or beside a pixel, -1 for none: no diagonal slips through."""
        pixel = np.rint(self.base).astype(int)
        point = np.full(shape, -1, np.int64)
        for beside in ((1, 0), (-1, 0), (0, 1), (0, -1), (0, 0)):
            y, x = np.clip(pixel + beside, 0, np.array(shape) - 1).T
            point[y, x] = np.arange(len(pixel))
        return point

    def improve(self, round_: int) -> None:
        """One round: plateaus, widths and offsets, then the lines."""
        from scanseg.walls._strip import solve_tied

        if round_ == STRIPS_ROUND:
            self._trim()
        if round_ >= PLANE_ROUND:
            self._take_plane_into_account()
        n = len(self.base)
        width = np.exp(self.log_width)[self.of]
        rho = np.where(self.ferroelastic & (self.half == 0), self.rho, 0.0)
        weight = self._weights(round_)
        middle, firm = self._middle(round_)
        step, shift = np.empty_like(self.coefficient), np.empty(n)
        ratio, rest = np.empty(n), np.empty((n, 4))
        if round_ == STRIPS_ROUND and self.ferroelastic.any():
            self._choose_strips(weight, width)
            rho = np.where(self.ferroelastic & (self.half == 0), self.rho, 0.0)
        if round_ in (0, STRIPS_ROUND):  # plateaus alone, at the lines as they are
            tied = self._sums(weight, width, rho)
            tied[:, 18:51] = 0.0
            tied[:, 42] = 1.0
            solve_tied(
                tied, self.coefficient, middle, firm, self.tie_next, self.sign_next, step, shift,
                ratio, rest,
            )  # fmt: skip
            self.coefficient = self.coefficient + step
        tied = self._sums(weight, width, rho)
        solve_tied(
            tied, self.coefficient, middle, firm, self.tie_next, self.sign_next, step, shift,
            ratio, rest,
        )  # fmt: skip
        residual = tied[:, 51] / np.maximum(2 * tied[:, 52] - 8, 1.0)
        self.variance = INTERPOLATED_VARIANCE * np.maximum(residual, 0.5 * self.noise)
        self.coefficient = self.coefficient + step
        self._improve_shapes(rest, round_)
        self._improve_lines(step, ratio, tied[:, 42], width, last=round_ == N_ROUNDS - 1)

    def _trim(self) -> None:
        """Leave out what is farther from the walls than profiles are used."""
        reach = REACH_HALF_WIDTHS * np.exp(self.scan_log_width) + REACH_PX + SPARE_REACH_PX
        near = np.abs(self.position) <= reach
        self.position = self.position[near]
        self.usable = np.ascontiguousarray(self.usable[:, near])
        self.measured = np.ascontiguousarray(self.measured[:, near])
        self.profile, self.model = self.measured, np.zeros_like(self.measured)

    def _choose_strips(self, weight: FloatArray, width: FloatArray) -> None:
        """Which ferroelastic stretches are no step but a lamella narrower than the tip, one line.

        A step fitted to such a line lies on one of its two sides.
        """
        from scanseg.walls._strip import misfits

        half_way = np.abs(np.where(np.isfinite(self.t_next), self.t_next, np.inf)) / 2 + 0.5
        weight = weight * (self.position >= -half_way[:, :1]) * (self.position <= half_way[:, 1:])
        widest = max(4.5, float(np.exp(self.scan_log_width)))
        halves = np.array([0.0, *(share * widest for share in STRIP_HALVES)])
        mine = np.flatnonzero(self.ferroelastic[self.start])
        left = np.empty((len(mine), len(halves)))
        misfits(
            self.profile, weight, self.position, self.expected, width, halves, STRIP_SHIFTS_PX,
            self.start[mine], self.length[mine], TIED_STRAIGHT_PX, left,
        )  # fmt: skip
        best = 1 + left[:, 1:].argmin(1)
        least = left[np.arange(len(mine)), best]
        strip = (least < STRIP_SHARE * left[:, 0]) & (left[:, 0] - least > 10 * self.noise)
        half = np.zeros(len(self.stretches))
        half[mine] = np.where(strip, halves[best], 0.0)
        self.half = half[self.of]
        there = np.maximum(self.next_point, 0)
        self.half_beside = np.where(self.next_point >= 0, self.half[there], 0.0)
        both = (self.half[:, None] > 0) & (self.half_beside > 0)
        mixed = (self.half[:, None] > 0) != (self.half_beside > 0)
        self.sign_next = np.where(both, 1.0, self.sign_next)
        self.tie_next = np.where(mixed, 0.0, self.tie_next)
        changed = (self.half > 0) | mixed.any(1)
        self.coefficient[changed] = 0.0
        self.blurred[self.half > 0] = self.expected[self.half > 0]

    def _sums(self, weight: FloatArray, width: FloatArray, rho: FloatArray) -> FloatArray:
        from scanseg.walls._strip import tie_along

        self._model_profiles(weight, width, rho, sums=True)
        tied = np.empty_like(self.own)
        tie_along(self.own, self.start, self.length, self.scale, tied)
        return tied

    def _model_profiles(
        self, weight: FloatArray, width: FloatArray, rho: FloatArray, *, sums: bool
    ) -> None:
        from scanseg.walls._strip import sum_profiles

        sum_profiles(
            self.profile, weight, self.position, self.blurred, width, rho, self.half,
            self._beside(), self.half_beside, self.coefficient, self.model, sums, self.own,
        )  # fmt: skip

    def _take_plane_into_account(self) -> None:
        """Take from the profiles what the tip sees of bends, corners and walls that cross.

        The lines as fitted are drawn with all they border on, and blurred in two dimensions; what
        this shows beyond the model of single profiles is no news of the lines.
        """
        from scanseg.walls._strip import draw_sides, sample_profiles

        # As they were a round ago, lines would swing.
        rho = np.where(self.ferroelastic & (self.half == 0), self.rho, 0.0)
        width = float(np.exp(self.scan_log_width))
        self._model_profiles(self.usable, np.full(len(self.base), width), rho, sums=False)
        at = self.base + self.line[:, None] * self.normal + self._led_to_corners(self.line)
        sharp = np.empty(self.shape, complex)
        if self.nearest is None:
            self.nearest = self._nearest_point(at)
        draw_sides(self.nearest, at, self.normal, self.coefficient, rho, self.half, sharp)
        blur = width * SIGMA_OF_HALF_WIDTH
        # Widths are those of sampled profiles, and these are sampled as well.
        blur = float(np.sqrt(max(blur**2 - SAMPLED_S2, 0.1)))
        plane = np.empty_like(self.measured)
        sample_profiles(
            _blurred(sharp, blur), self.base, self.normal, self.position, plane,
            self.usable.copy(),
        )  # fmt: skip
        self.profile = self.measured - plane + self.model

    def _nearest_point(self, at: FloatArray) -> IntArray:
        """Number of the point of a wall that is nearest to each pixel."""
        from scipy import ndimage

        pixel = np.clip(np.rint(at).astype(int), 0, np.array(self.shape) - 1)
        point = np.full(self.shape, -1, np.int64)
        point[tuple(pixel.T)] = np.arange(len(at))
        _, (y, x) = ndimage.distance_transform_edt(point < 0, return_indices=True)
        return np.asarray(point[y, x])

    def _beside(self) -> FloatArray:
        """Where the next walls are, those moved that have moved."""
        there = np.maximum(self.next_point, 0)
        dot = (self.normal[:, None] * self.normal[there]).sum(2)
        moved = self.blurred[there] * np.sign(dot) / np.maximum(np.abs(dot), 0.5)
        beside: FloatArray = self.t_next + np.where(self.next_point >= 0, moved, 0.0)
        return beside

    def _weights(self, round_: int) -> FloatArray:
        if round_ == 0:
            return np.asarray(self.usable, np.float64)
        reach = REACH_HALF_WIDTHS * np.exp(self.scan_log_width) + REACH_PX
        weight = self.usable * (np.abs(self.position) <= reach)
        weight *= self._away_from_corners()[:, None]
        if round_ == 1:
            return np.asarray(weight)
        count = self.own[:, 52]
        left = INTERPOLATED_VARIANCE * self.own[:, 51] / np.maximum(2 * count - 4, 1.0)
        most = np.where(self.ferroelastic, 1.0, MOST_MISFIT) * self.noise
        share = np.minimum(1.0, most * (1 + 2 / np.sqrt(np.maximum(count, 1))) / (left + 1e-30))
        share = np.where(self.ferroelastic, share**2, np.sqrt(share))
        return np.asarray(weight * share[:, None])

    def _away_from_corners(self) -> FloatArray:
        """Weight of points: near a corner the tip sees the other section as well."""
        if not self.corner.any():
            return np.ones(len(self.base))
        blur = np.exp(self.scan_log_width) * SIGMA_OF_HALF_WIDTH
        near = np.minimum(self.to_corner / (CORNER_SIGMAS * blur), 1.0)
        return np.asarray(np.maximum(near, 0.05) ** 2)

    def _middle(self, round_: int) -> tuple[complex, FloatArray]:
        """The middle between both sides of a 180° wall, one for the scan, and how firm it is."""
        reversal = ~self.ferroelastic
        if round_ == 0 or not reversal.any():
            return 0j, np.zeros(len(self.base))
        c = self.coefficient[reversal]
        size = np.abs(c[:, 1])
        middle = complex(_weighted_median(c[:, 0].real, size), _weighted_median(c[:, 0].imag, size))
        return middle, np.where(reversal, TIE_MIDDLE, 0.0)

    def _improve_shapes(self, rest: FloatArray, round_: int) -> None:
        """Widths of stretches, drawn towards the scan's; the strength of ferroelastic lines."""
        rest = np.where(np.isfinite(rest), rest, 0.0) / self.variance[:, None]
        fall = np.exp(-1.0 / self.scale)
        n_tied = np.minimum((1 + fall) / (1 - fall), self.length)
        count = len(self.stretches)
        information = np.bincount(self.of, np.maximum(rest[:, 0], 0.0), count) / n_tied
        gradient = np.bincount(self.of, rest[:, 2], count) / n_tied
        change = np.clip(gradient / np.maximum(information, 1e-9), -0.5, 0.5)
        self.own_log_width = self.log_width + change
        self.width_information = information
        share = information / (1 + information * WIDTH_SPREAD**2)
        # Ferroelastic lamellae narrower than the tip leave their width open.
        share *= np.where(self.ferroelastic[self.start], 0.02, 1.0)
        mean = np.sum(share * self.own_log_width) / max(share.sum(), 1e-12)
        self.scan_log_width += float(np.clip(mean - self.scan_log_width, -0.7, 0.7))
        prior = WIDTH_SPREAD**-2
        drawn = information * self.own_log_width + prior * self.scan_log_width
        self.log_width = np.clip(drawn / (information + prior), np.log(0.5), np.log(15.0))
        if round_ >= 2 and self.ferroelastic.any():
            mine = rest[self._plain()]
            gain = mine[:, 3].sum() / max(float(mine[:, 1].sum()), 1e-9)
            self.rho = float(np.clip(self.rho + np.clip(gain, -0.2, 0.2), -0.02, 0.9))

    def _plain(self) -> NDArray[np.bool_]:
        """Points of ferroelastic walls that tell of their line: no corner and no wall is near."""
        width = float(np.exp(self.scan_log_width))
        nearest = np.nan_to_num(np.abs(self._beside()), nan=np.inf).min(1)
        mine = self.ferroelastic & (self.half == 0)
        plain = mine & (self.to_corner > 2 * width) & (nearest > 2.5 * width)
        return np.asarray(plain if plain.sum() > FEWEST_PLAIN else mine)

    def _improve_lines(
        self, step: ComplexArray, ratio: FloatArray, tied_information: FloatArray,
        width: FloatArray, *, last: bool,
    ) -> None:  # fmt: skip
        from scanseg.walls._along import blur_lines
        from scanseg.walls._curve import Offsets, likeliest_curves
        from scanseg.walls._series import high_values

        parts = np.stack([step.real, step.imag], 2).reshape(len(step), -1)
        gradient = (self.own[:, 48] - (self.own[:, 18:26] * parts).sum(1)) / self.variance
        told = self.own[:, 42] / self.variance
        # Errors that tied profiles share are half of the window's: its weights fall off.
        shared = 0.5 * self.variance * np.maximum(
            ratio - 1 / np.maximum(tied_information, 1e-12), 0.0
        )  # fmt: skip
        shared += np.where(self.ferroelastic, (UNTOLD_A_PX * width**2) ** 2, 0.0)
        blur = width[self.start] * SIGMA_OF_HALF_WIDTH
        high, blurred_base = np.empty(len(blur)), np.empty_like(self.base)
        blur_lines(self.base, self.closed, self.start, self.length, blur, 3, False, blurred_base)
        bend = ((blurred_base - self.base) * self.normal).sum(1)  # towards the inside of bends
        high_values(told, self.start, self.length, 0.9, high)
        highest = np.maximum(1.2 * high, 1e-9)
        at_most = np.minimum(told, highest[self.of])
        kept = at_most / np.maximum(told, 1e-12)
        ferroelastic = self.ferroelastic[self.start]
        offsets = Offsets(
            length=self.length,
            seen=self.blurred - bend + gradient * kept / highest[self.of],
            expected=self.expected,
            highest=highest,
            typical=np.maximum(self._means(at_most), 1e-9),
            shared_variance=self._means(shared),
            shared_px=self.scale,
            blur_px=blur,
            largest_sd_px=np.where(ferroelastic, LARGEST_STRAIGHT_SD_PX, LARGEST_SD_PX),
            kind=2 * ferroelastic + self.straight,
        )
        self.line, blurred, variance = likeliest_curves(offsets)
        change = blurred + bend - self.blurred
        self.blurred = self.blurred + (change if last else np.clip(change, -0.8, 0.8))
        self.line_variance = variance[self.of]

    def _means(self, values: FloatArray) -> FloatArray:
        """Mean over the points of each stretch, shape (P,)."""
        return np.asarray(np.bincount(self.of, values) / self.length)

    def result(self, n_walls: int, largest_shift_px: float) -> tuple[JointFit, ...]:
        moved = self.line - self.expected
        offset = self.expected + np.clip(moved, -largest_shift_px, largest_shift_px)
        position = self.base + offset[:, None] * self.normal + self._led_to_corners(offset)
        told = (np.abs(moved) <= largest_shift_px) & (self.line_variance < 1.0)
        told &= self.own[:, 52] > 0
        err = np.where(told, np.sqrt(self._variance(moved)), np.nan)
        dip = np.where(told, self._dips(), np.nan)
        wall = np.array([s.wall for s in self.stretches])
        fits = []
        for k in range(n_walls):
            mine = np.flatnonzero(wall == k)
            part = slice(self.start[mine[0]], self.start[mine[-1]] + self.length[mine[-1]])
            known = self.width_information[mine]
            total = float(known.sum())
            width = float(np.exp((known * self.own_log_width[mine]).sum() / max(total, 1e-9)))
            if total <= 4.0:  # a width as uncertain as it is large
                width = float("nan")
            width_err = width / np.sqrt(max(total, 1e-9))
            fits.append(JointFit(position[part], err[part], width, float(width_err), dip[part]))
        return tuple(fits)

    def _variance(self, moved: FloatArray) -> FloatArray:
        """Variance across the wall, shape (N,), with what the model of profiles does not know."""
        known, count = self.line_variance, self.own[:, 52]
        left = INTERPOLATED_VARIANCE * self.own[:, 51] / np.maximum(2 * count - 4, 1.0)
        misfit = np.clip(left / self.noise - 1, 0.0, MOST_EXCESS)
        wall = np.array([s.wall for s in self.stretches])[self.of]
        first, last = np.searchsorted(wall, wall), np.searchsorted(wall, wall, "right") - 1
        along = np.arange(len(wall))
        to_end = np.where(self.closed[self.of], np.inf, np.minimum(along - first, last - along))
        width = np.exp(self.log_width)[self.of]
        reversal = known * (0.11 + 0.84 * misfit) + (0.041 * width) ** 2 + 0.018 * moved**2
        reversal += 0.033 * np.exp(-to_end / 4)
        twin = 2.2 * known + 3.4 / self.length[self.of] + 0.055 * moved**2 + 0.1 * (self.half > 0)
        twin += 0.34 * np.exp(-to_end / 4) + 0.16 * np.exp(-self.to_corner / 4)
        twin += 0.4 * ~self.straight[self.of]
        return np.asarray(np.where(self.ferroelastic, twin, reversal))

    def _led_to_corners(self, offset: FloatArray) -> FloatArray:
        """Shift of points along straight sections, shape (N, 2), so that these meet again."""
        shift = np.zeros_like(self.base)
        for k in np.flatnonzero(self.corner):
            last, first = self.start[k] + self.length[k] - 1, self.start[k + 1]
            one, other = self.normal[last], self.normal[first]
            across = one[0] * other[1] - one[1] * other[0]
            if abs(across) < 0.2:
                continue
            d1, d2 = offset[last], offset[first]
            moved = np.array([d1 * other[1] - d2 * one[1], d2 * one[0] - d1 * other[0]]) / across
            if float(np.hypot(*moved)) > LED_ON_PX:
                continue
            for at, n, normal in ((k, self.length[k], one), (k + 1, self.length[k + 1], other)):
                part = slice(self.start[at], self.start[at] + n)
                grows = np.arange(n) / n if at == k else 1 - np.arange(n) / n
                shift[part] += grows[:, None] * (moved - (moved @ normal) * normal)
        return shift

    def _dips(self) -> FloatArray:
        """Smallest amplitude of the fitted wall over the mean of both sides."""
        from scipy.special import erf

        across = np.linspace(-1.5, 1.5, 31)
        step = erf(np.sqrt(np.pi) / 2 * across)
        line = np.exp(-np.pi / 4 * across**2)
        c = self.coefficient
        rho = np.where(self.ferroelastic, self.rho, 0.0)[:, None]
        strip = (self.half > 0)[:, None]
        depth = erf(np.sqrt(np.pi) / 2 * self.half / np.exp(self.log_width)[self.of])[:, None]
        shape = np.where(strip, depth * line, step)
        amplitude = np.abs((c[:, :1] + c[:, 1:2] * shape) * (1 - np.where(strip, 0, rho) * line))
        sides = (np.abs(c[:, 0] - c[:, 1]) + np.abs(c[:, 0] + c[:, 1])) / 2
        sides = np.where(strip[:, 0], np.abs(c[:, 0]), sides)
        return np.asarray(amplitude.min(1) / np.maximum(sides, 1e-12))


def _pieces(wall: int, line: WallLine) -> list[_Stretch]:
    """Straight pieces of a ferroelastic wall; a 180° wall whole."""
    points = line.position_px
    if bool(np.bincount(line.class_index).argmax() > 1):
        return [piece for part in corner_sections(points) for piece in _bent_pieces(wall, part)]
    straight = None if line.closed else _parabola(points)
    base = points if straight is None else straight
    return [_Stretch(wall, base, points, line.closed, straight is not None, False)]


def _bent_pieces(wall: int, section: Section) -> list[_Stretch]:
    """A section whole where it is straight, else cut until a parabola fits."""
    if section.base is not None:
        return [_Stretch(wall, section.base, section.points, False, True, True, section.corner)]
    pieces: list[_Stretch] = []
    waiting = [section.points]
    while waiting:
        part = waiting.pop()
        straight = _parabola(part)
        if straight is None and len(part) >= SHORTEST_PIECE_PX:
            corner = 5 + int(_off_chord(part)[5:-5].argmax())
            waiting += [part[corner:], part[:corner]]
            continue
        base = part if straight is None else straight
        pieces.append(_Stretch(wall, base, part, False, straight is not None, True))
    return pieces


def _parabola(points: FloatArray) -> FloatArray | None:
    """The straight line or parabola through points, if it fits."""
    from scanseg.walls._along import fit_parabola

    for degree in (1, 2):
        if len(points) < 6 * degree:
            return None
        fit = np.empty_like(points)
        rms, largest = fit_parabola(points, degree, fit)
        if rms < STRAIGHT_PX[0] and largest < STRAIGHT_PX[1]:
            return fit
    return None


def _off_chord(points: FloatArray) -> FloatArray:
    """Distance of points from the line through the first and last one."""
    chord = points[-1] - points[0]
    length = float(np.hypot(*chord))
    if length < 2.0:
        return np.asarray(np.hypot(*(points - points[0]).T))
    return np.asarray(np.abs((points - points[0]) @ np.array([chord[1], -chord[0]])) / length)


def _blurred(image: ComplexArray, sigma: float) -> ComplexArray:
    """Image behind a Gaussian."""
    from scipy import ndimage

    parts = [
        ndimage.gaussian_filter(part, sigma, mode="nearest", truncate=3.0)
        for part in (image.real.astype(np.float32), image.imag.astype(np.float32))
    ]
    return np.asarray(parts[0] + 1j * parts[1], np.complex128)


def _noise_variance(response: ComplexArray) -> float:
    """Variance of each part of the noise, from pixels against the mean of their neighbours."""
    beside = (response[:, :-2] + response[:, 2:]) / 2
    squared = np.abs(response[:, 1:-1] - beside) ** 2
    # 1.5 times two parts' variance, whose median is ln 2 of the mean.
    return max(_median(squared) / (3 * float(np.log(2))), MODEL_ERROR**2)


def _median(values: FloatArray) -> float:
    """Median of what is a number; 0 where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else 0.0


def _weighted_median(values: FloatArray, weight: FloatArray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][min(np.searchsorted(total, total[-1] / 2), len(values) - 1)])
