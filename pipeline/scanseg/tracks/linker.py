"""Links the atoms of one frame to the tracks of those before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scanseg.lattice._columns import place_columns
from scanseg.tracks._assignment import FloatArray, IntArray, cheapest_links, near_pairs
from scanseg.tracks._state import Alive, Totals
from scanseg.tracks.drift import FrameShift, measure_shift
from scanseg.tracks.settings import Tracking

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["EVENT_COLUMNS", "LinkedFrame", "TrackLinker"]

EVENT_COLUMNS = (
    "frame", "event", "track", "other_track", "class_before", "class_after", "y_px", "x_px",
    "to_y_px", "to_x_px", "distance_px", "distance_nm",
)  # fmt: skip
# An atom within so many spacings of the border may have come from outside, or gone there.
RIM = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class LinkedFrame:
    """What linking a frame told.

    Parameters
    ----------
    number
        Of the frame, from 0.
    points
        One row an atom, in the order of the table: ``atom``, ``track``, ``class``, ``y_px``,
        ``x_px`` (as measured), ``y_still_px``, ``x_still_px`` (drift removed: in pixels of the
        first frame), ``step_y_px``, ``step_x_px`` (since the last sighting), ``gap`` (frames
        between them, 1 without a gap, empty for the first sighting).
    events
        Rows of ``EVENT_COLUMNS``.
    drift_px
        (y, x) since the first frame.
    drift_err_px
        One standard deviation of the drift since the frame before, along an axis; nan where
        nothing told it.
    n_linked
        Atoms that continue a track.
    """

    number: int
    points: DataFrame
    events: tuple[dict[str, Any], ...]
    drift_px: tuple[float, float]
    drift_err_px: float
    n_linked: int


class TrackLinker:
    """Takes the frames of a movie in order, and keeps nothing but its tracks.

    Parameters
    ----------
    config
        How atoms are linked.
    shape
        (height, width) of a frame; without it the box around the atoms of a frame is its border.

    Notes
    -----
    1. The drift against the places of the tracks is measured and taken out (:mod:`.drift`).
    2. Atoms go to tracks within reach; of all ways to do so, the one whose sum of squared
       distances, with a cost for every change of class, is least. Tracks that were missing for a
       few frames take part.
    3. Two neighbours that changed into each other's class have exchanged places: so does the
       identity of their tracks.
    4. What is left over is linked over longer distances within one class: jumps.
    """

    def __init__(
        self, config: Tracking | None = None, *, shape: tuple[int, int] | None = None
    ) -> None:
        self.config = config or Tracking()
        self.spacing: float | None = None
        self._shape = shape
        self._alive = Alive.none()
        self._totals = Totals.none()
        self._drift = np.zeros(2)
        self._velocity = np.zeros(2)
        self._classes: dict[str, int] = {}
        self._stretch = np.ones(2)
        self._nm_per_px = float("nan")
        self._n_frames = 0

    def add(self, atoms: DataFrame) -> LinkedFrame:
        """Link the atoms of the next frame.

        Parameters
        ----------
        atoms
            As :func:`scanseg.find_atoms` returns it; ``y_px`` and ``x_px`` are enough. May be
            empty.
        """
        frame = self._n_frames
        self._n_frames += 1
        place, kind = self._placed(atoms)
        shift = self._measure_drift(place, kind)
        still = place - self._drift
        before = self._alive
        track_row, atom_row = self._link(still, kind, frame)
        events = self._exchanges(track_row, atom_row, kind, place, frame)
        n_close = len(track_row)
        track_row, atom_row = self._jumps(track_row, atom_row, still, kind, frame)
        jumped = np.arange(len(track_row)) >= n_close
        events += self._jump_events(track_row[jumped], atom_row[jumped], place, frame)
        track, step, gap = self._steps(before, track_row, atom_row, still, frame)
        self._continue(track_row, atom_row, jumped, still, kind, frame)
        events += self._class_changes(track_row, place[atom_row], frame)
        events += self._begin(track, still, place, kind, frame)
        events += self._end(frame, place)
        points = self._points(atoms, track, still, step, gap)
        return LinkedFrame(
            frame, points, tuple(events), self._in_pixels(self._drift), shift.err, len(track_row)
        )

    def tracks(self) -> DataFrame:
        """Table of all tracks so far.

        Returns
        -------
        tracks
            One row a track: ``track``, ``class`` (of most sightings), ``class_fraction`` (part of
            the sightings that have it), ``first_frame``, ``last_frame``, ``n_frames`` (in which
            it was seen), ``n_missing`` (in between), ``y_px``, ``x_px`` (mean, drift removed),
            ``rms_y_px``, ``rms_x_px`` (scatter about it), ``path_px`` (sum of all steps),
            ``net_px`` (from the first to the last sighting), ``n_jumps``, ``n_class_changes``.
            Lengths that are neither along y nor x are in square pixels.
        """
        from pandas import DataFrame

        totals, some = self._totals, slice(0, self._totals.n_tracks)
        count = np.maximum(totals.count[some], 1)[:, None]
        offset = totals.total[some] / count
        scatter = np.sqrt(np.maximum(totals.square[some] / count - offset**2, 0)) / self._stretch
        mean = (totals.origin[some] + offset) / self._stretch
        kinds = totals.kinds[some]
        names = np.array([*self._classes, ""], object)
        first, last = totals.first[some], totals.last[some]
        return DataFrame(
            {
                "track": np.arange(totals.n_tracks),
                "class": names[kinds.argmax(1)] if len(kinds) else names[:0],
                "class_fraction": kinds.max(1, initial=0) / count[:, 0],
                "first_frame": first, "last_frame": last,
                "n_frames": totals.count[some],
                "n_missing": last - first + 1 - totals.count[some],
                "y_px": mean[:, 0], "x_px": mean[:, 1],
                "rms_y_px": scatter[:, 0], "rms_x_px": scatter[:, 1],
                "path_px": totals.path[some],
                "net_px": np.hypot(*(totals.end[some] - totals.origin[some]).T),
                "n_jumps": totals.jumps[some], "n_class_changes": totals.changes[some],
            }
        )  # fmt: skip

    def _placed(self, atoms: DataFrame) -> tuple[FloatArray, IntArray]:
        if not len(atoms):
            return np.zeros((0, 2)), np.zeros(0, np.int64)
        columns = place_columns(atoms)
        if self.spacing is None and len(columns) > 1:
            self.spacing = _spacing(columns.place)
            self._stretch = columns.stretch
            if columns.pixel_size_nm:
                self._nm_per_px = float(np.sqrt(np.prod(columns.pixel_size_nm)))
        names = atoms["class"].astype(str) if "class" in atoms else None
        if names is None:
            self._classes.setdefault("", 0)
            return columns.place, np.zeros(len(columns), np.int64)
        for name in names.unique():
            self._classes.setdefault(name, len(self._classes))
        return columns.place, np.asarray(names.map(self._classes).to_numpy(), np.int64)

    def _measure_drift(self, place: FloatArray, kind: IntArray) -> FrameShift:
        if self.spacing is None or not len(self._alive.track) or not len(place):
            return FrameShift((0.0, 0.0), float("nan"), 0.0)
        guess = self._velocity
        shift = measure_shift(
            self._alive.place + self._drift, self._alive.kind, place, kind,
            spacing=self.spacing, largest=self.config.largest_drift,
            guess=(float(guess[0]), float(guess[1])),
        )  # fmt: skip
        step = np.array(shift.shift)
        self._drift = self._drift + step
        # A drift goes on as it was, within what the noise of one frame allows.
        self._velocity = 0.5 * self._velocity + 0.5 * step
        return shift

    def _link(self, still: FloatArray, kind: IntArray, frame: int) -> tuple[IntArray, IntArray]:
        """Rows of tracks and of atoms that belong together."""
        if self.spacing is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        reach = self.config.reach * self.spacing
        i, j, distance = near_pairs(self._alive.place, still, reach)
        cost = (distance / reach) ** 2
        cost += self.config.class_change_cost * (self._alive.kind[i] != kind[j])
        # Of two tracks that could go on, the one that was seen last.
        cost += 0.05 * (frame - 1 - self._alive.last[i])
        chosen = cheapest_links(i, j, cost)
        return i[chosen], j[chosen]

    def _exchanges(
        self, track_row: IntArray, atom_row: IntArray, kind: IntArray, place: FloatArray, frame: int
    ) -> list[dict[str, Any]]:
        """Let neighbours that changed into each other's class exchange their atoms, in place."""
        old, new = self._alive.kind[track_row], kind[atom_row]
        changed = np.flatnonzero(old != new)
        if len(changed) < 2 or self.spacing is None:
            return []
        at = self._alive.place[track_row[changed]]
        reach = self.config.jump_reach * self.spacing
        i, j, distance = near_pairs(at, at, reach)
        a, b = changed[i], changed[j]
        swap = (i < j) & (old[a] == new[b]) & (old[b] == new[a])
        i, j, distance = i[swap], j[swap], distance[swap]
        taken: set[int] = set()
        events = []
        for pair in np.argsort(distance, kind="stable"):
            one, other = int(changed[i[pair]]), int(changed[j[pair]])
            if one in taken or other in taken:
                continue
            taken |= {one, other}
            atom_row[one], atom_row[other] = atom_row[other], atom_row[one]
            rows = track_row[[one, other]]
            # The rarer of the two is the one that people follow.
            rare = int(self._rarity(self._alive.kind[rows]).argmin())
            mover, partner = rows[rare], rows[1 - rare]
            self._totals.jumps[self._alive.track[rows]] += 1
            events.append(
                self._event(
                    frame,
                    "exchange",
                    mover,
                    other=partner,
                    start=self._alive.seen_at[mover],
                    end=place[atom_row[[one, other][rare]]],
                )
            )
        return events

    def _rarity(self, kinds: IntArray) -> FloatArray:
        return np.bincount(self._alive.kind, minlength=int(kinds.max()) + 1)[kinds].astype(float)

    def _jumps(
        self, track_row: IntArray, atom_row: IntArray, still: FloatArray, kind: IntArray, frame: int
    ) -> tuple[IntArray, IntArray]:
        """The links, and behind them those over longer distances."""
        if self.spacing is None:
            return track_row, atom_row
        alone = np.setdiff1d(np.arange(len(self._alive.track)), track_row)
        # A track that was missing before may be hidden; one that is just gone has gone somewhere.
        alone = alone[self._alive.last[alone] == frame - 1]
        new = np.setdiff1d(np.arange(len(still)), atom_row)
        reach = self.config.jump_reach * self.spacing
        i, j, distance = near_pairs(self._alive.place[alone], still[new], reach)
        same = self._alive.kind[alone[i]] == kind[new[j]]
        i, j, distance = i[same], j[same], distance[same]
        chosen = cheapest_links(i, j, distance / (1.001 * reach))
        return (
            np.concatenate([track_row, alone[i[chosen]]]),
            np.concatenate([atom_row, new[j[chosen]]]),
        )

    def _jump_events(
        self, track_row: IntArray, atom_row: IntArray, place: FloatArray, frame: int
    ) -> list[dict[str, Any]]:
        self._totals.jumps[self._alive.track[track_row]] += 1
        return [
            self._event(frame, "jump", int(row), start=self._alive.seen_at[row], end=place[atom])
            for row, atom in zip(track_row, atom_row, strict=True)
        ]

    def _steps(
        self, before: Alive, track_row: IntArray, atom_row: IntArray, still: FloatArray, frame: int
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """Track of each atom (-1 for a new one), and the step since its last sighting."""
        track = np.full(len(still), -1)
        step, gap = np.full((len(still), 2), np.nan), np.full(len(still), np.nan)
        track[atom_row] = before.track[track_row]
        last_place = self._totals.end[before.track[track_row]]
        step[atom_row] = still[atom_row] - last_place
        gap[atom_row] = frame - before.last[track_row]
        return track, step, gap

    def _continue(
        self, track_row: IntArray, atom_row: IntArray, jumped: NDArray[np.bool_],
        still: FloatArray, kind: IntArray, frame: int,
    ) -> None:  # fmt: skip
        alive = self._alive
        here = still[atom_row]
        # Without a spacing there are no links, and nothing goes on.
        reach = self.config.reach * (self.spacing or 0.0)
        far = np.hypot(*(here - alive.place[track_row]).T) > reach
        keep = np.where(jumped | far, 0.0, self.config.memory)[:, None]
        alive.place[track_row] = keep * alive.place[track_row] + (1 - keep) * here
        alive.seen_at[track_row] = here + self._drift
        alive.kind[track_row] = kind[atom_row]
        alive.last[track_row] = frame
        self._totals.add(alive.track[track_row], here, kind[atom_row], frame)

    def _class_changes(
        self, track_row: IntArray, place: FloatArray, frame: int
    ) -> list[dict[str, Any]]:
        alive = self._alive
        other = alive.kind[track_row] != alive.settled[track_row]
        alive.run[track_row] = np.where(other, alive.run[track_row] + 1, 0)
        sure = np.flatnonzero(alive.run[track_row] >= self.config.confirm_frames)
        events = []
        for link in sure:
            row = int(track_row[link])
            events.append(
                self._event(
                    frame, "class_change", row, start=place[link], before=int(alive.settled[row])
                )
            )
            self._totals.changes[alive.track[row]] += 1
            alive.settled[row], alive.run[row] = alive.kind[row], 0
        return events

    def _begin(
        self, track: IntArray, still: FloatArray, place: FloatArray, kind: IntArray, frame: int
    ) -> list[dict[str, Any]]:
        """Start a track for every atom without one; its number is written to ``track``."""
        new = np.flatnonzero(track < 0)
        track[new] = self._totals.begin(still[new], frame)
        self._totals.add(track[new], still[new], kind[new], frame)
        began = Alive(
            track[new], still[new].copy(), place[new].copy(), kind[new].copy(), kind[new].copy(),
            np.zeros(len(new), np.int64), np.full(len(new), frame),
        )  # fmt: skip
        first = len(self._alive.track)
        self._alive = self._alive.joined(began)
        if frame == 0:
            return []
        rim = self._at_rim(place[new], place)
        return [
            self._event(frame, "entered" if rim[n] else "appeared", first + n, start=place[new[n]])
            for n in range(len(new))
        ]

    def _end(self, frame: int, place: FloatArray) -> list[dict[str, Any]]:
        alive = self._alive
        over = frame - alive.last > self.config.gap_frames
        rows = np.flatnonzero(over)
        expected = alive.place[rows] + self._drift
        rim = self._at_rim(expected, place)
        events = [
            # It was last seen in the frame before, however long it was then waited for.
            self._event(
                int(alive.last[row]) + 1,
                "left" if rim[n] else "vanished",
                int(row),
                start=alive.seen_at[row],
            )
            for n, row in enumerate(rows)
        ]
        self._alive = alive.kept(~over)
        return events

    def _at_rim(self, where: FloatArray, place: FloatArray) -> NDArray[np.bool_]:
        """Whether places are outside, or so near the border that they may have been."""
        margin = RIM * (self.spacing or 0.0)
        if self._shape is not None:
            low, high = -0.5 * self._stretch, (np.array(self._shape) - 0.5) * self._stretch
        elif len(place):
            low, high = place.min(0), place.max(0)
        else:
            return np.zeros(len(where), np.bool_)
        return np.asarray(((where < low + margin) | (where > high - margin)).any(1), np.bool_)

    def _event(
        self, frame: int, event: str, row: int | np.integer[Any], *, start: FloatArray,
        end: FloatArray | None = None, other: int | np.integer[Any] | None = None,
        before: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        names = list(self._classes)
        alive = self._alive
        distance = float("nan")
        if end is not None:
            # Between frames the sample drifts, and that is no jump.
            moved = (end - self._drift) - self._totals.end[alive.track[row]]
            distance = float(np.hypot(*moved))
        start_px = self._in_pixels(start)
        end_px = self._in_pixels(end) if end is not None else (float("nan"),) * 2
        kind = int(alive.kind[row])
        return {
            "frame": frame, "event": event, "track": int(alive.track[row]),
            "other_track": -1 if other is None else int(alive.track[other]),
            "class_before": names[kind if before is None else before],
            "class_after": names[kind],
            "y_px": start_px[0], "x_px": start_px[1], "to_y_px": end_px[0], "to_x_px": end_px[1],
            "distance_px": distance, "distance_nm": distance * self._nm_per_px,
        }  # fmt: skip

    def _in_pixels(self, place: FloatArray) -> tuple[float, float]:
        y, x = place / self._stretch
        return float(y), float(x)

    def _points(
        self, atoms: DataFrame, track: IntArray, still: FloatArray, step: FloatArray,
        gap: FloatArray,
    ) -> DataFrame:  # fmt: skip
        from pandas import DataFrame

        still, step = still / self._stretch, step / self._stretch
        number = atoms["atom"].to_numpy() if "atom" in atoms else np.arange(len(atoms))
        names = atoms["class"].astype(str).to_numpy() if "class" in atoms else [""] * len(atoms)
        return DataFrame(
            {
                "atom": number, "track": track, "class": names,
                "y_px": atoms["y_px"].to_numpy(float), "x_px": atoms["x_px"].to_numpy(float),
                "y_still_px": still[:, 0], "x_still_px": still[:, 1],
                "step_y_px": step[:, 0], "step_x_px": step[:, 1], "gap": gap,
            }
        )  # fmt: skip


def _spacing(place: FloatArray) -> float:
    """Median distance of nearest places, shape (N, 2), N > 1."""
    from scipy.spatial import cKDTree

    return float(np.median(cKDTree(place).query(place, k=2)[0][:, 1]))
