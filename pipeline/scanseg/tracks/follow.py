"""A whole movie in memory, for notebooks and tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scanseg.tracks.linker import EVENT_COLUMNS, LinkedFrame, TrackLinker
from scanseg.tracks.neighbourhoods import TransitionCounter, describe_neighbourhoods, rare_classes
from scanseg.tracks.settings import Tracking

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Tracks", "follow_atoms", "frame_row"]


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Atoms of a movie as tracks.

    Parameters
    ----------
    points
        One row an atom and frame: ``frame`` and what :class:`scanseg.tracks.LinkedFrame` lists.
    tracks
        One row a track, see :meth:`scanseg.tracks.TrackLinker.tracks`.
    events
        One row an event, in the order of frames.
    frames
        One row a frame: ``frame``, ``n_atoms``, ``n_linked``, ``drift_y_px``, ``drift_x_px``
        (since the first frame), ``drift_err_px``.
    neighbourhoods
        One row a dopant and frame, see :func:`scanseg.tracks.describe_neighbourhoods`.
    transitions
        One row a pair of states, see :class:`scanseg.tracks.TransitionCounter`.
    """

    points: DataFrame
    tracks: DataFrame
    events: DataFrame
    frames: DataFrame
    neighbourhoods: DataFrame
    transitions: DataFrame


def follow_atoms(
    frames: Iterable[DataFrame], *, shape: tuple[int, int] | None = None,
    config: Tracking | None = None,
) -> Tracks:  # fmt: skip
    """Link the atoms of a movie.

    Parameters
    ----------
    frames
        Tables of :func:`scanseg.find_atoms`, one a frame, in order.
    shape
        (height, width) of a frame.
    config
        How atoms are linked.
    """
    from pandas import DataFrame, concat

    config = config or Tracking()
    linker, counter = TrackLinker(config, shape=shape), TransitionCounter()
    points, rows, around = [], [], []
    events: list[dict[str, Any]] = []
    dopants, bond = config.dopants, config.longest_bond
    for number, atoms in enumerate(frames):
        linked = linker.add(atoms)
        points.append(linked.points.assign(frame=number))
        events += linked.events
        rows.append(frame_row(linked, len(atoms)))
        dopants = dopants or (rare_classes(atoms) if number == 0 else ())
        table = describe_neighbourhoods(
            atoms, dopants, track=linked.points["track"].to_numpy(), shape=shape,
            longest_px=bond * linker.spacing if bond and linker.spacing else None,
        )  # fmt: skip
        counter.add(table, frame=number)
        around.append(table.assign(frame=number))
    table_of_events = DataFrame(events, columns=list(EVENT_COLUMNS))
    return Tracks(
        concat(points, ignore_index=True) if points else DataFrame(),
        linker.tracks(),
        table_of_events.sort_values("frame", kind="stable", ignore_index=True),
        DataFrame(rows),
        concat(around, ignore_index=True) if around else DataFrame(),
        counter.table(),
    )


def frame_row(linked: LinkedFrame, n_atoms: int) -> dict[str, Any]:
    """Row of the table of frames.

    Parameters
    ----------
    linked
        What linking the frame told.
    n_atoms
        Of the frame, with those that continue no track.
    """
    return {
        "frame": linked.number,
        "n_atoms": n_atoms,
        "n_linked": linked.n_linked,
        "drift_y_px": linked.drift_px[0],
        "drift_x_px": linked.drift_px[1],
        "drift_err_px": linked.drift_err_px,
    }
