"""Atoms of a movie as tracks: linked from frame to frame, with drift removed and events told.

Frames are taken one at a time, so a movie of any length needs the memory of its tracks alone.
Importing this package loads neither pandas nor scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.tracks.drift import FrameShift, measure_shift
    from scanseg.tracks.follow import Tracks, follow_atoms
    from scanseg.tracks.linker import LinkedFrame, TrackLinker
    from scanseg.tracks.neighbourhoods import TransitionCounter, describe_neighbourhoods
    from scanseg.tracks.patches import cut_patch
    from scanseg.tracks.settings import Tracking

_HOMES = {
    "FrameShift": "drift",
    "LinkedFrame": "linker",
    "TrackLinker": "linker",
    "Tracking": "settings",
    "Tracks": "follow",
    "TransitionCounter": "neighbourhoods",
    "cut_patch": "patches",
    "describe_neighbourhoods": "neighbourhoods",
    "follow_atoms": "follow",
    "measure_shift": "drift",
}

__all__ = [
    "FrameShift",
    "LinkedFrame",
    "TrackLinker",
    "Tracking",
    "Tracks",
    "TransitionCounter",
    "cut_patch",
    "describe_neighbourhoods",
    "follow_atoms",
    "measure_shift",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg.tracks' has no attribute {name!r}")
    return getattr(import_module(f"scanseg.tracks.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
