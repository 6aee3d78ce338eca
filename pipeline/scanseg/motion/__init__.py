"""Series of scans of one place: drift between them, how walls move, and where they are pinned.

Importing this package loads neither pandas nor scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.motion.pinning import PinningSites
    from scanseg.motion.registration import Drift, DriftEstimation, register_drift
    from scanseg.motion.series import MotionTracking, WallFrame
    from scanseg.motion.track import WallMotion, track_walls

__all__ = [
    "Drift",
    "DriftEstimation",
    "MotionTracking",
    "PinningSites",
    "WallFrame",
    "WallMotion",
    "register_drift",
    "track_walls",
]

_HOMES = {
    "Drift": "registration",
    "DriftEstimation": "registration",
    "MotionTracking": "series",
    "PinningSites": "pinning",
    "WallFrame": "series",
    "WallMotion": "track",
    "register_drift": "registration",
    "track_walls": "track",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg.motion' has no attribute {name!r}")
    return getattr(import_module(f"scanseg.motion.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
