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

from scanseg.walls.lines import WallLine
from scanseg.walls.plane import SIGMA_OF_HALF_WIDTH, DrawnWalls, draw_profiles, nearest_points
from scanseg.walls.profile import INTERPOLATED_VARIANCE
from scanseg.walls.stretches import Stretches, cut_lines
from scanseg.walls.strips import strip_halves
from scanseg.walls.uncertainty import line_variance, median_of_known, noise_variance

__all__ = ["JointFit", "fit_walls"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ComplexArray = NDArray[np.complex128]

N_ROUNDS = 10
# From this round on profiles are corrected for what a profile alone does not model.
PLANE_ROUND = 3
# Over which length plateaus are taken for equal: 180° walls bend, straight walls do not.
TIED_PX, TIED_STRAIGHT_PX = 8.0, 30.0
# How firmly, against the profiles' own evidence, 180° walls have one middle, and the response
# alternates from wall to wall. Of two settings compared, 3 gave the points of one scan an s.d. of
# 0.94 px and 0.3 one of 0.77 px.
TIE_MIDDLE, TIE_NEXT = 0.1, 0.3
# Next walls are looked for so far along the normals.
FARTHEST_PX = 36.0
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
# Profiles that leave more than their noise cross something that is no straight wall.
MOST_MISFIT = 3.0
# Fewer points than this tell less of their line than all do, corners and neighbours included.
FEWEST_PLAIN = 60
# After so many rounds, when the tip's width is known about, steps are told from lamellae narrower
# than the tip.
STRIPS_ROUND = 2
# Points nearer to a corner than so many s.d. of the tip count less, by the square of the distance.
CORNER_SIGMAS = 2.0


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
    state = _State(cut_lines(lines), response, half_width_px, reach_px)
    for round_ in range(N_ROUNDS):
        state.improve(round_)
    return state.result(len(lines), largest_shift_px)


class _State:
    """The fit between its rounds: P stretches of N points in all."""

    def __init__(
        self, stretches: Stretches, response: ComplexArray, half_width_px: float, reach_px: float
    ) -> None:
        from scanseg.walls._profiles import next_walls, sample_profiles
        from scanseg.walls._sums import N_BASIS, N_SUMS

        self.stretches = stretches
        self.scale = np.where(stretches.straight, TIED_STRAIGHT_PX, TIED_PX)
        self.ferroelastic, base, normal = stretches.ferroelastic, stretches.base, stretches.normal

        size = median_of_known(np.abs(response))
        scaled = response / (size if size > 0 else 1.0)
        n_steps = int(1.6 * reach_px)
        self.position = np.arange(-n_steps, n_steps + 1, dtype=float)
        shape = len(base), len(self.position)
        self.profile, self.usable = np.empty(shape, complex), np.ones(shape)
        sample_profiles(scaled, base, normal, self.position, self.profile, self.usable)
        self.t_next, cut, self.next_point = next_walls(
            base, normal, stretches.of, _point_of_pixel(base, response.shape), float(n_steps),
            FARTHEST_PX,
        )  # fmt: skip
        within = (self.position >= -cut[:, :1]) & (self.position <= cut[:, 1:])
        self.usable *= within
        self.measured = self.profile
        self.shape = response.shape[0], response.shape[1]
        self.nearest: IntArray | None = None
        self.noise = noise_variance(scaled)

        n, n_stretches = len(base), len(stretches.start)
        self.line, self.blurred = stretches.expected.copy(), stretches.expected.copy()
        self.line_variance = np.ones(n)
        self.log_width = np.full(n_stretches, np.log(half_width_px))
        self.own_log_width = self.log_width.copy()
        self.width_information = np.zeros(n_stretches)
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

    @property
    def half_width_px(self) -> float:
        """Half width w of the scan."""
        return float(np.exp(self.scan_log_width))

    @property
    def width(self) -> FloatArray:
        """Half width w at each point, shape (N,)."""
        return np.asarray(np.exp(self.log_width)[self.stretches.of])

    @property
    def lines(self) -> FloatArray:
        """Strength of the dark line of each point, shape (N,)."""
        return np.asarray(np.where(self.ferroelastic & (self.half == 0), self.rho, 0.0))

    def improve(self, round_: int) -> None:
        """One round: plateaus, widths and offsets, then the lines."""
        from scanseg.walls._sums import solve_tied

        if round_ == STRIPS_ROUND:
            self._trim()
        if round_ >= PLANE_ROUND:
            self._take_plane_into_account()
        n = len(self.blurred)
        width = self.width
        weight = self._weights(round_)
        middle, firm = self._middle(round_)
        step, shift = np.empty_like(self.coefficient), np.empty(n)
        ratio, rest = np.empty(n), np.empty((n, 4))
        if round_ == STRIPS_ROUND and self.ferroelastic.any():
            self._choose_strips(weight, width)
        if round_ in (0, STRIPS_ROUND):  # plateaus alone, at the lines as they are
            tied = self._sums(weight, width)
            tied[:, 18:51] = 0.0
            tied[:, 42] = 1.0
            solve_tied(
                tied, self.coefficient, middle, firm, self.tie_next, self.sign_next, step, shift,
                ratio, rest,
            )  # fmt: skip
            self.coefficient = self.coefficient + step
        tied = self._sums(weight, width)
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
        reach = REACH_HALF_WIDTHS * self.half_width_px + REACH_PX + SPARE_REACH_PX
        near = np.abs(self.position) <= reach
        self.position = self.position[near]
        self.usable = np.ascontiguousarray(self.usable[:, near])
        self.measured = np.ascontiguousarray(self.measured[:, near])
        self.profile = self.measured

    def _choose_strips(self, weight: FloatArray, width: FloatArray) -> None:
        """Take stretches for lamellae narrower than the tip that are."""
        half_way = np.abs(np.where(np.isfinite(self.t_next), self.t_next, np.inf)) / 2 + 0.5
        weight = weight * (self.position >= -half_way[:, :1]) * (self.position <= half_way[:, 1:])
        half = strip_halves(
            self.stretches, self.profile, weight, self.position, width,
            half_width_px=self.half_width_px, noise=self.noise,
        )  # fmt: skip
        self.half = half[self.stretches.of]
        there = np.maximum(self.next_point, 0)
        self.half_beside = np.where(self.next_point >= 0, self.half[there], 0.0)
        both = (self.half[:, None] > 0) & (self.half_beside > 0)
        mixed = (self.half[:, None] > 0) != (self.half_beside > 0)
        self.sign_next = np.where(both, 1.0, self.sign_next)
        self.tie_next = np.where(mixed, 0.0, self.tie_next)
        changed = (self.half > 0) | mixed.any(1)
        self.coefficient[changed] = 0.0
        self.blurred[self.half > 0] = self.stretches.expected[self.half > 0]

    def _sums(self, weight: FloatArray, width: FloatArray) -> FloatArray:
        from scanseg.walls._sums import sum_profiles, tie_along

        sum_profiles(
            self.profile, weight, self.position, self.blurred, width, self.lines, self.half,
            self._beside(), self.half_beside, self.coefficient, self.own,
        )  # fmt: skip
        tied = np.empty_like(self.own)
        tie_along(self.own, self.stretches.start, self.stretches.length, self.scale, tied)
        return tied

    def _take_plane_into_account(self) -> None:
        """Take from the profiles what the tip sees of bends, corners and walls that cross.

        What the lines as fitted show in two dimensions beyond the model of single profiles is no
        news of the lines.
        """
        from scanseg.walls._sums import model_profiles

        model = np.empty_like(self.measured)
        model_profiles(
            self.usable, self.position, self.blurred, self.half_width_px, self.lines, self.half,
            self._beside(), self.half_beside, self.coefficient, model,
        )  # fmt: skip
        walls = DrawnWalls(
            self.stretches.positions(self.line), self.stretches.normal, self.coefficient,
            self.lines, self.half, self.half_width_px,
        )  # fmt: skip
        if self.nearest is None:
            self.nearest = nearest_points(walls.at, self.shape)
        plane = draw_profiles(walls, self.nearest, self.stretches.base, self.position, self.usable)
        self.profile = self.measured - plane + model

    def _beside(self) -> FloatArray:
        """Where the next walls are, those moved that have moved, shape (N, 2)."""
        from scanseg.walls._profiles import places_beside

        beside = np.empty_like(self.t_next)
        places_beside(self.blurred, self.stretches.normal, self.t_next, self.next_point, beside)
        return np.asarray(beside)

    def _weights(self, round_: int) -> FloatArray:
        if round_ == 0:
            return np.asarray(self.usable, np.float64)
        reach = REACH_HALF_WIDTHS * self.half_width_px + REACH_PX
        weight = self.usable * (np.abs(self.position) <= reach)
        weight *= self._away_from_corners()[:, None]
        if round_ == 1:
            return np.asarray(weight)
        count, left = self.own[:, 52], self._left()
        most = np.where(self.ferroelastic, 1.0, MOST_MISFIT) * self.noise
        share = np.minimum(1.0, most * (1 + 2 / np.sqrt(np.maximum(count, 1))) / (left + 1e-30))
        share = np.where(self.ferroelastic, share**2, np.sqrt(share))
        return np.asarray(weight * share[:, None])

    def _away_from_corners(self) -> FloatArray:
        """Weight of points: near a corner the tip sees the other section as well."""
        if not self.stretches.corner.any():
            return np.ones(len(self.line))
        blur = self.half_width_px * SIGMA_OF_HALF_WIDTH
        near = np.minimum(self.stretches.to_corner / (CORNER_SIGMAS * blur), 1.0)
        return np.asarray(np.maximum(near, 0.05) ** 2)

    def _middle(self, round_: int) -> tuple[complex, FloatArray]:
        """The middle between both sides of a 180° wall, one for the scan, and how firm it is."""
        reversal = ~self.ferroelastic
        if round_ == 0 or not reversal.any():
            return 0j, np.zeros(len(self.line))
        c = self.coefficient[reversal]
        size = np.abs(c[:, 1])
        middle = complex(_weighted_median(c[:, 0].real, size), _weighted_median(c[:, 0].imag, size))
        return middle, np.where(reversal, TIE_MIDDLE, 0.0)

    def _improve_shapes(self, rest: FloatArray, round_: int) -> None:
        """Widths of stretches, drawn towards the scan's; the strength of ferroelastic lines."""
        rest = np.where(np.isfinite(rest), rest, 0.0) / self.variance[:, None]
        fall = np.exp(-1.0 / self.scale)
        n_tied = np.minimum((1 + fall) / (1 - fall), self.stretches.length)
        of, count = self.stretches.of, len(self.scale)
        information = np.bincount(of, np.maximum(rest[:, 0], 0.0), count) / n_tied
        gradient = np.bincount(of, rest[:, 2], count) / n_tied
        change = np.clip(gradient / np.maximum(information, 1e-9), -0.5, 0.5)
        self.own_log_width = self.log_width + change
        self.width_information = information
        share = information / (1 + information * WIDTH_SPREAD**2)
        # Ferroelastic lamellae narrower than the tip leave their width open.
        share *= np.where(self.ferroelastic[self.stretches.start], 0.02, 1.0)
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
        width = self.half_width_px
        nearest = np.nan_to_num(np.abs(self._beside()), nan=np.inf).min(1)
        mine = self.ferroelastic & (self.half == 0)
        plain = mine & (self.stretches.to_corner > 2 * width) & (nearest > 2.5 * width)
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
        known = self.stretches
        blur = width[known.start] * SIGMA_OF_HALF_WIDTH
        high, blurred_base = np.empty(len(blur)), np.empty_like(known.base)
        blur_lines(
            known.base, known.closed, known.start, known.length, blur, 3, False, blurred_base
        )
        bend = ((blurred_base - known.base) * known.normal).sum(1)  # towards the inside of bends
        high_values(told, known.start, known.length, 0.9, high)
        highest = np.maximum(1.2 * high, 1e-9)
        at_most = np.minimum(told, highest[known.of])
        kept = at_most / np.maximum(told, 1e-12)
        ferroelastic = known.ferroelastic[known.start]
        offsets = Offsets(
            length=known.length,
            seen=self.blurred - bend + gradient * kept / highest[known.of],
            expected=known.expected,
            highest=highest,
            typical=np.maximum(known.means(at_most), 1e-9),
            shared_variance=known.means(shared),
            shared_px=self.scale,
            blur_px=blur,
            largest_sd_px=np.where(ferroelastic, LARGEST_STRAIGHT_SD_PX, LARGEST_SD_PX),
            kind=2 * ferroelastic + known.straight,
        )
        self.line, blurred, variance = likeliest_curves(offsets)
        change = blurred + bend - self.blurred
        self.blurred = self.blurred + (change if last else np.clip(change, -0.8, 0.8))
        self.line_variance = variance[known.of]

    def _left(self) -> FloatArray:
        """Variance of each part of the residuals of each profile, shape (N,)."""
        spare = np.maximum(2 * self.own[:, 52] - 4, 1.0)
        return np.asarray(INTERPOLATED_VARIANCE * self.own[:, 51] / spare)

    def result(self, n_walls: int, largest_shift_px: float) -> tuple[JointFit, ...]:
        """What was fitted of each wall."""
        known = self.stretches
        moved = self.line - known.expected
        position = known.positions(
            known.expected + np.clip(moved, -largest_shift_px, largest_shift_px)
        )
        told = (np.abs(moved) <= largest_shift_px) & (self.line_variance < 1.0)
        told &= self.own[:, 52] > 0
        variance = line_variance(
            known, self.line_variance, misfit=self._left() / self.noise, moved=moved,
            width=self.width, half=self.half,
        )  # fmt: skip
        err = np.where(told, np.sqrt(variance), np.nan)
        dip = np.where(told, self._dips(), np.nan)
        fits = []
        bounds = np.searchsorted(known.wall, np.arange(n_walls + 1))
        ends = np.append(known.start, len(err))[bounds]
        for k in range(n_walls):
            mine, part = slice(*bounds[k : k + 2]), slice(*ends[k : k + 2])
            information = self.width_information[mine]
            total = float(information.sum())
            width = float(np.exp(information @ self.own_log_width[mine] / max(total, 1e-9)))
            if total <= 4.0:  # a width as uncertain as it is large
                width = float("nan")
            width_err = width / np.sqrt(max(total, 1e-9))
            fits.append(JointFit(position[part], err[part], width, float(width_err), dip[part]))
        return tuple(fits)

    def _dips(self) -> FloatArray:
        """Smallest amplitude of the fitted wall over the mean of both sides."""
        from scipy.special import erf

        across = np.linspace(-1.5, 1.5, 31)
        step = erf(np.sqrt(np.pi) / 2 * across)
        line = np.exp(-np.pi / 4 * across**2)
        c = self.coefficient
        rho = np.where(self.ferroelastic, self.rho, 0.0)[:, None]
        strip = (self.half > 0)[:, None]
        depth = erf(np.sqrt(np.pi) / 2 * self.half / self.width)[:, None]
        shape = np.where(strip, depth * line, step)
        amplitude = np.abs((c[:, :1] + c[:, 1:2] * shape) * (1 - np.where(strip, 0, rho) * line))
        sides = (np.abs(c[:, 0] - c[:, 1]) + np.abs(c[:, 0] + c[:, 1])) / 2
        sides = np.where(strip[:, 0], np.abs(c[:, 0]), sides)
        return np.asarray(amplitude.min(1) / np.maximum(sides, 1e-12))


def _point_of_pixel(at: FloatArray, shape: tuple[int, ...]) -> IntArray:
    """Which point is in or beside a pixel, -1 for none: no diagonal slips through."""
    pixel = np.rint(at).astype(int)
    point = np.full(shape, -1, np.int64)
    for beside in ((1, 0), (-1, 0), (0, 1), (0, -1), (0, 0)):
        y, x = np.clip(pixel + beside, 0, np.array(shape) - 1).T
        point[y, x] = np.arange(len(pixel))
    return point


def _weighted_median(values: FloatArray, weight: FloatArray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][min(np.searchsorted(total, total[-1] / 2), len(values) - 1)])
