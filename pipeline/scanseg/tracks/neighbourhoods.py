"""What surrounds each dopant, and how often one surrounding turned into another."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scanseg.lattice.neighbours import link_neighbours

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["TransitionCounter", "describe_neighbourhoods", "rare_classes"]

RARE = 0.2
# A bond beyond the border would not be seen: in units of the mean bond.
RIM = 1.6


def rare_classes(atoms: DataFrame) -> tuple[str, ...]:
    """Classes with less than a fifth of the atoms."""
    if "class" not in atoms or not len(atoms):
        return ()
    counts = atoms["class"].astype(str).value_counts()
    return tuple(
        sorted(str(name) for name in counts.index[(counts > 0) & (counts < RARE * len(atoms))])
    )


def describe_neighbourhoods(
    atoms: DataFrame, dopants: tuple[str, ...], *, track: NDArray[np.int64] | None = None,
    shape: tuple[int, int] | None = None, longest_px: float | None = None,
) -> DataFrame:  # fmt: skip
    """Name the first neighbours of every dopant.

    Parameters
    ----------
    atoms
        Of one frame, with ``class``.
    dopants
        Classes that are described.
    track
        Of each atom, shape (N,).
    shape
        (height, width) of the frame; without it the box around the atoms is the border.
    longest_px
        Neighbours are no farther, in square pixels; by default the gap between the first two
        shells.

    Returns
    -------
    table
        One row a dopant: ``atom``, ``track``, ``class``, ``y_px``, ``x_px``, ``n_neighbours``,
        ``state`` (such as ``Si-C3``; empty where the border may hide a neighbour), ``bond_px``
        (mean length of the bonds in square pixels).
    """
    from pandas import DataFrame

    if not dopants or "class" not in atoms or len(atoms) < 3:
        return DataFrame(columns=list(_COLUMNS))
    kinds = atoms["class"].astype(str).to_numpy()
    rows = np.flatnonzero(np.isin(kinds, dopants))
    graph = link_neighbours(atoms, longest_px=longest_px)
    low, high = graph.place.min(0), graph.place.max(0)
    if shape is not None:
        low, high = -0.5 * graph.stretch, (np.array(shape) - 0.5) * graph.stretch
    typical = float(np.median(graph.length_px)) if len(graph.length_px) else 0.0
    room = np.minimum(graph.place - low, high - graph.place).min(1)
    at = {int(row): [] for row in rows}  # type: dict[int, list[int]]
    lengths: dict[int, list[float]] = {int(row): [] for row in rows}
    touched = np.flatnonzero(np.isin(graph.pairs, rows).any(1))
    for bond in touched:
        for end, other in (graph.pairs[bond], graph.pairs[bond][::-1]):
            if int(end) in at:
                at[int(end)].append(int(other))
                lengths[int(end)].append(float(graph.length_px[bond]))
    number = atoms["atom"].to_numpy() if "atom" in atoms else np.arange(len(atoms))
    return DataFrame(
        {
            "atom": number[rows],
            "track": np.full(len(rows), -1) if track is None else track[rows],
            "class": kinds[rows],
            "y_px": atoms["y_px"].to_numpy(float)[rows],
            "x_px": atoms["x_px"].to_numpy(float)[rows],
            "n_neighbours": [len(at[int(row)]) for row in rows],
            "state": [
                _state(kinds[row], kinds[at[int(row)]]) if room[row] > RIM * typical else ""
                for row in rows
            ],
            "bond_px": [np.mean(lengths[int(row)]) if at[int(row)] else np.nan for row in rows],
        }
    )


_COLUMNS = ("atom", "track", "class", "y_px", "x_px", "n_neighbours", "state", "bond_px")


def _state(centre: str, around: NDArray[np.object_]) -> str:
    """Name of a surrounding.

    Examples
    --------
    >>> _state("Si", np.array(["C", "C", "Si"], object))
    'Si-C2Si1'
    """
    counts = Counter(around.tolist())
    return f"{centre}-" + "".join(f"{name}{counts[name]}" for name in sorted(counts))


class TransitionCounter:
    """Counts in how many pairs of consecutive frames a dopant's state became another, or stayed.

    Needs the memory of the dopants of one frame.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last: dict[int, str] = {}
        self._frame = -1

    def add(self, table: DataFrame, *, frame: int) -> None:
        """Take the table of the next frame, see :func:`describe_neighbourhoods`."""
        now = {
            int(track): str(state)
            for track, state in zip(table["track"], table["state"], strict=True)
            if state
        }
        if frame == self._frame + 1:
            self._counts.update((self._last[t], now[t]) for t in now.keys() & self._last.keys())
        self._last, self._frame = now, frame

    def table(self) -> DataFrame:
        """How often one state led to another.

        Returns
        -------
        transitions
            ``state``, ``next_state``, ``count``, ``probability`` (a frame: count over all frames
            that began in ``state``), ``probability_err`` (one standard deviation, of a beta
            distribution with a flat prior).
        """
        from pandas import DataFrame

        begun: Counter[str] = Counter()
        for (state, _), count in self._counts.items():
            begun[state] += count
        rows = []
        for (state, after), count in sorted(self._counts.items()):
            total = begun[state]
            a, b = count + 1, total - count + 1
            err = float(np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1))))
            rows.append((state, after, count, count / total, err))
        columns = ["state", "next_state", "count", "probability", "probability_err"]
        return DataFrame(rows, columns=columns)
