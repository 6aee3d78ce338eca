"""What a linker keeps: the tracks that are alive, and the totals of all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanseg.tracks._assignment import FloatArray, IntArray

__all__ = ["Alive", "Totals"]


@dataclass(slots=True)
class Alive:
    """Tracks that may go on, A of them."""

    track: IntArray  # (A,)
    place: FloatArray  # (A, 2) where the drift is taken out, square pixels
    seen_at: FloatArray  # (A, 2) the last sighting itself
    kind: IntArray  # (A,) class of the last sighting
    settled: IntArray  # (A,) class that was confirmed
    run: IntArray  # (A,) sightings in a row of a class that is not yet confirmed
    last: IntArray  # (A,) frame of the last sighting

    @classmethod
    def none(cls) -> Alive:
        """No track."""
        empty = [np.zeros(0, np.int64) for _ in range(5)]
        return cls(empty[0], np.zeros((0, 2)), np.zeros((0, 2)), *empty[1:])

    def kept(self, rows: NDArray[np.bool_]) -> Alive:
        """Those of some rows, given by a mask of shape (A,)."""
        return Alive(
            self.track[rows], self.place[rows], self.seen_at[rows], self.kind[rows],
            self.settled[rows], self.run[rows], self.last[rows],
        )  # fmt: skip

    def joined(self, other: Alive) -> Alive:
        """Those of both."""
        return Alive(
            np.concatenate([self.track, other.track]), np.concatenate([self.place, other.place]),
            np.concatenate([self.seen_at, other.seen_at]), np.concatenate([self.kind, other.kind]),
            np.concatenate([self.settled, other.settled]), np.concatenate([self.run, other.run]),
            np.concatenate([self.last, other.last]),
        )  # fmt: skip


@dataclass(slots=True)
class Totals:
    """Sums over all tracks there have been, 150 bytes each; room for T of them, which grows.

    Places are those without drift, in square pixels.
    """

    n_tracks: int
    first: IntArray  # (T,) frame of the first sighting
    last: IntArray  # (T,) frame of the last one
    count: IntArray  # (T,) sightings
    total: FloatArray  # (T, 2) sum of places against the first one
    square: FloatArray  # (T, 2) sum of their squares
    origin: FloatArray  # (T, 2) the first place
    end: FloatArray  # (T, 2) the last place
    path: FloatArray  # (T,) sum of the lengths of steps
    jumps: IntArray  # (T,)
    changes: IntArray  # (T,) of the class
    kinds: IntArray  # (T, C) sightings of each class

    @classmethod
    def none(cls) -> Totals:
        """No track, and room for 64."""

        def numbers() -> IntArray:
            return np.zeros(64, np.int64)

        def pairs() -> FloatArray:
            return np.zeros((64, 2))

        return cls(0, numbers(), numbers(), numbers(), pairs(), pairs(), pairs(), pairs(),
                   np.zeros(64), numbers(), numbers(), np.zeros((64, 1), np.int64))  # fmt: skip

    def begin(self, place: FloatArray, frame: int) -> IntArray:
        """Numbers of tracks that start at N places (N, 2), shape (N,)."""
        track = np.arange(self.n_tracks, self.n_tracks + len(place))
        self.n_tracks += len(place)
        if self.n_tracks > len(self.first):
            self._grow(2 * self.n_tracks)
        self.first[track], self.origin[track], self.end[track] = frame, place, place
        return track

    def add(self, track: IntArray, place: FloatArray, kind: IntArray, frame: int) -> None:
        """Count a sighting of each of N tracks (N,), at its place (N, 2) and of its class (N,)."""
        if len(track) and int(kind.max()) >= self.kinds.shape[1]:
            more = int(kind.max()) + 1 - self.kinds.shape[1]
            self.kinds = np.pad(self.kinds, ((0, 0), (0, more)))
        from_start = place - self.origin[track]
        self.last[track] = frame
        self.count[track] += 1
        self.total[track] += from_start
        self.square[track] += from_start**2
        self.path[track] += np.hypot(*(place - self.end[track]).T)
        self.end[track] = place
        self.kinds[track, kind] += 1

    def _grow(self, size: int) -> None:
        for name in self.__slots__:
            values = getattr(self, name)
            if isinstance(values, np.ndarray):
                larger = np.zeros((size, *values.shape[1:]), values.dtype)
                larger[: len(values)] = values
                setattr(self, name, larger)
