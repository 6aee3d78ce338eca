"""Which wall of one scan is which wall of the next, and how far each of its points has moved.

A wall moves by sweeping over the crystal, and what it sweeps over switches. So on its way it meets
no other wall, neither one that was there before nor one that is there now: along the normal of a
point only the next wall on either side can be where it went. Of the two, polarity tells: up must
stay on the same side. Where it is not known, the nearer one is taken, and a wall can be followed
over half the distance to its neighbours; with polarity, over the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.motion.points import CLOSED_PX, WallPoints

__all__ = ["Passage", "match_points"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# Lines at less than 30 degrees to a normal run along it: they are no neighbour, but a branch.
SMALLEST_COSINE = 0.5
# Neighbours within so many points along the line are the wall itself.
OWN_POINTS = 4
# Costs of Viterbi's path along a wall, in units of "this point has no partner".
SWITCH_COST = 1.5
JUMP_COST_PX = 0.33
FREE_JUMP_PX = 3.0
LARGEST_JUMP_COST = 3.0
# How far the way back may end from where the way there began: half a step along each line, and
# more where walls turn as they move.
RETURN_PX = 2.0
RETURN_FRACTION = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """Where each of N points went.

    Parameters
    ----------
    offset
        Along the normal, shape (N,), NaN where the point has no partner.
    target
        Where that is, shape (N, 2).
    partner
        Nearest point of the other scan, -1 for none, shape (N,).
    """

    offset: Array
    target: Array
    partner: Indices

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which points have a partner."""
        return self.partner >= 0


def match_points(before: WallPoints, after: WallPoints, *, reach: float) -> tuple[Passage, Passage]:
    """Follow walls from one scan to the next and back; only what agrees both ways is kept.

    Parameters
    ----------
    before, after
        Walls of the two scans, drift removed.
    reach
        How far a wall may have moved.

    Returns
    -------
    there, back
        Of the points before, and of those after.
    """
    there, back = _followed(before, after, reach), _followed(after, before, reach)
    return _confirmed(there, back, before), _confirmed(back, there, after)


def _followed(before: WallPoints, after: WallPoints, reach: float) -> Passage:
    """Best partner of each point, coherent along each line."""
    n = len(before)
    offset: Array = np.full((n, 2), np.nan)  # on the left, and on the right
    partner: Indices = np.full((n, 2), -1)
    cost: Array = np.full((n, 2), np.inf)
    crossing = _Crossings.of(before, after, reach)
    wall = _Crossings.of(before, before, reach).without_own(before)
    for side, sign in enumerate((-1.0, 1.0)):
        first = crossing.nearest(sign, n)
        barrier = wall.nearest(sign, n)
        free_to = np.full(n, np.inf)
        free_to[barrier >= 0] = np.abs(wall.offset[barrier[barrier >= 0]])
        known = np.flatnonzero(first >= 0)
        hit = first[known]
        away = np.abs(crossing.offset[hit])
        turned = crossing.cosine[hit] * before.up[known] * after.up[crossing.piece[hit]]
        allowed = (away < free_to[known]) & (turned >= 0)
        known, hit, away = known[allowed], hit[allowed], away[allowed]
        offset[known, side] = crossing.offset[hit]
        partner[known, side] = crossing.piece[hit] + (crossing.fraction[hit] > 0.5)
        askew = 1 - np.abs(crossing.cosine[hit])
        cost[known, side] = 0.5 * away / reach + 0.5 * askew
    target = before.position[:, None] + offset[..., None] * before.normal[:, None]
    choice = _coherent(before, target, cost)
    taken = np.arange(n), np.maximum(choice, 0)
    none = choice < 0
    return Passage(
        offset=np.where(none, np.nan, offset[taken]),
        target=np.where(none[:, None], np.nan, target[taken]),
        partner=np.where(none, -1, partner[taken]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Crossings:
    """C crossings of normals with pieces of lines of their class."""

    point: Indices
    piece: Indices
    offset: Array
    fraction: Array
    cosine: Array

    @classmethod
    def of(cls, points: WallPoints, lines: WallPoints, reach: float) -> _Crossings:
        from scipy.spatial import cKDTree

        piece = lines.links()
        if not len(piece) or not len(points):
            empty = np.zeros(0, np.int64)
            return cls(empty, empty, np.zeros(0), np.zeros(0), np.zeros(0))
        start, step = lines.position[piece], lines.position[piece + 1] - lines.position[piece]
        longest = float(np.hypot(*step.T).max())
        near = cKDTree(start + step / 2).query_ball_point(points.position, reach + longest / 2)
        count = np.fromiter((len(each) for each in near), int, len(near))
        point = np.repeat(np.arange(len(points)), count)
        which = np.concatenate([np.asarray(each, np.int64) for each in near])
        same = points.kind[point] == lines.kind[piece[which]]
        point, which = point[same], which[same]
        # point + t normal = start + s step, solved for t and s by Cramer's rule.
        gap, along = start[which] - points.position[point], step[which]
        normal = points.normal[point]
        across = normal[:, 0] * along[:, 1] - normal[:, 1] * along[:, 0]
        across = np.where(np.abs(across) < 1e-12, 1e-12, across)
        offset = (gap[:, 0] * along[:, 1] - gap[:, 1] * along[:, 0]) / across
        fraction = (gap[:, 0] * normal[:, 1] - gap[:, 1] * normal[:, 0]) / across
        cosine = (normal * lines.normal[piece[which]]).sum(1)
        met = (np.abs(offset) <= reach) & (fraction >= -1e-9) & (fraction <= 1 + 1e-9)
        met &= np.abs(cosine) >= SMALLEST_COSINE
        return cls(point[met], piece[which[met]], offset[met], fraction[met], cosine[met])

    def without_own(self, points: WallPoints) -> _Crossings:
        """Without those of a normal with the line next to its own point."""
        # A closed line has its ends side by side: only its own neighbours' numbers are far apart.
        first = np.searchsorted(points.branch, points.branch)
        length = np.bincount(points.branch)[points.branch]
        apart = np.abs(self.point - self.piece)
        closed = (
            np.hypot(*(points.position[first] - points.position[first + length - 1]).T)[self.point]
            < CLOSED_PX
        )
        apart = np.where(closed, np.minimum(apart, length[self.point] - 1 - apart), apart)
        own = (points.branch[self.point] == points.branch[self.piece]) & (apart <= OWN_POINTS)
        return _Crossings(
            *(
                each[~own]
                for each in (self.point, self.piece, self.offset, self.fraction, self.cosine)
            )
        )

    def nearest(self, sign: float, n: int) -> Indices:
        """Number of the nearest crossing of each of n points on one side, -1 for none."""
        chosen = np.flatnonzero(sign * self.offset >= 0)
        far_first = chosen[np.argsort(-np.abs(self.offset[chosen]), kind="stable")]
        nearest: Indices = np.full(n, -1)
        nearest[self.point[far_first]] = far_first
        return nearest


def _coherent(before: WallPoints, target: Array, cost: Array) -> Indices:
    """Side of each point's partner, 0 or 1, or -1 for none: the cheapest path along each line.

    Viterbi's algorithm over three states a point: partner on the left, on the right, none.
    """
    n = len(before)
    choice: Indices = np.full(n, -1)
    if not n:
        return choice
    jump = np.full((n, 2, 2), LARGEST_JUMP_COST)
    step = np.hypot(*np.diff(before.position, axis=0).T)[:, None, None]
    gap = np.hypot(*np.moveaxis(target[1:, None, :] - target[:-1, :, None], -1, 0)) - step
    price = JUMP_COST_PX * np.maximum(gap - FREE_JUMP_PX, 0)
    jump[1:] = np.minimum(np.nan_to_num(price, nan=LARGEST_JUMP_COST), LARGEST_JUMP_COST)
    own = np.concatenate([np.minimum(cost, 1e6), np.ones((n, 1))], 1)
    step_cost = np.zeros((n, 3, 3))
    step_cost[:, :2, :2] = jump
    step_cost[:, 2, :2] = step_cost[:, :2, 2] = SWITCH_COST
    begins = np.concatenate([[True], np.diff(before.branch) != 0])
    step_cost[begins] = 0
    origin = np.zeros((n, 3), np.int64)
    total = np.zeros(3)
    for i in range(n):
        ways = (np.zeros(3) if begins[i] else total)[:, None] + step_cost[i]
        origin[i] = ways.argmin(0)
        total = ways.min(0) + own[i]
        last = i + 1 == n or begins[i + 1]
        if last:
            state, k = int(total.argmin()), i
            while True:
                choice[k] = state if state < 2 else -1
                if begins[k]:
                    break
                state, k = int(origin[k, state]), k - 1
    return choice


def _confirmed(there: Passage, back: Passage, before: WallPoints) -> Passage:
    """Only points whose partner, or one beside it, came from about here."""
    n_after = len(back.partner)
    confirmed = np.zeros(len(there.partner), bool)
    index = np.flatnonzero(there.found)
    tolerance = RETURN_PX + RETURN_FRACTION * np.abs(there.offset[index])
    for beside in range(-OWN_POINTS, OWN_POINTS + 1):
        partner = np.clip(there.partner[index] + beside, 0, max(n_after - 1, 0))
        from_here = np.hypot(*(back.target[partner] - before.position[index]).T)
        # One beside it stands as many pixels along the line as its number is off.
        confirmed[index] |= from_here - abs(beside) <= tolerance
    return Passage(
        offset=np.where(confirmed, there.offset, np.nan),
        target=np.where(confirmed[:, None], there.target, np.nan),
        partner=np.where(confirmed, there.partner, -1),
    )
