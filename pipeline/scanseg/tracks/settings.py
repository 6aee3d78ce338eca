"""How atoms of a movie are linked."""

from __future__ import annotations

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from scanseg.config import Config

__all__ = ["Tracking"]


class Tracking(Config):
    """How atoms of one frame are linked to those of the next.

    Lengths are in units of the spacing, the median distance of nearest atoms in the first frame.
    """

    reach: PositiveFloat = 0.45
    """How far an atom may be from its track after the drift is taken out; below half a spacing its
    neighbours do not compete."""
    jump_reach: PositiveFloat = 1.7
    """How far an atom may jump between two frames, or exchange its place with another: beyond the
    nearest site, below the second one of a honeycomb."""
    gap_frames: NonNegativeInt = 3
    """Frames in a row that an atom may be missing before its track ends."""
    class_change_cost: NonNegativeFloat = 0.15
    """What a change of class costs a link, where the whole reach costs 1."""
    confirm_frames: PositiveInt = 2
    """Sightings in a row of a new class after which an atom has changed its class."""
    largest_drift: PositiveFloat = 3.0
    """How far the sample may drift between two frames."""
    memory: float = 0.5
    """Part of a track's place that stays when the next sighting comes in: 0 for the last sighting
    alone, towards 1 for the mean of many."""
    dopants: tuple[str, ...] = ()
    """Classes whose neighbours are told; by default every class with less than a fifth of the atoms
    of the first frame."""
    longest_bond: PositiveFloat | None = None
    """Neighbours are no farther; by default the gap between the first two shells of the first
    frame."""
