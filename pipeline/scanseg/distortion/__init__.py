"""Scan distortion, measured on the atoms: drift during a scan, and lines that start off.

From the lattice of one image, or from a series of images of one place, where a displaced atom stays
and a displaced line does not. Importing this package loads neither pandas nor scipy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.distortion.drift import ScanDrift, drift_from_cell
    from scanseg.distortion.lines import LineShift, fit_lines
    from scanseg.distortion.measure import ScanDistortion, measure_distortion
    from scanseg.distortion.series import measure_series
    from scanseg.distortion.settings import DistortionEstimation

_HOMES = {
    "DistortionEstimation": "settings",
    "LineShift": "lines",
    "ScanDistortion": "measure",
    "ScanDrift": "drift",
    "drift_from_cell": "drift",
    "fit_lines": "lines",
    "measure_distortion": "measure",
    "measure_series": "series",
}

__all__ = [
    "DistortionEstimation",
    "LineShift",
    "ScanDistortion",
    "ScanDrift",
    "drift_from_cell",
    "fit_lines",
    "measure_distortion",
    "measure_series",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg.distortion' has no attribute {name!r}")
    return getattr(import_module(f"scanseg.distortion.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
