"""From measured pixels to what a network was trained on: sampling, range, spacing."""

from scanseg.preprocess.grid import Grid
from scanseg.preprocess.normalise import IntensityRange, measure_range, normalise
from scanseg.preprocess.resample import Window, resample_window

__all__ = [
    "Grid",
    "IntensityRange",
    "Window",
    "measure_range",
    "normalise",
    "resample_window",
]
