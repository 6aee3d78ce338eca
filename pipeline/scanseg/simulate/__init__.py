"""Labelled images with exact truth: atom-resolved STEM, and domain walls in PFM."""

from scanseg.simulate.pfm import PfmScene, SimulatedPfm, simulate_pfm, simulate_pfm_frames
from scanseg.simulate.stem import SimulatedStem, StemScene, simulate
from scanseg.simulate.wall_lines import Wall

__all__ = [
    "PfmScene", "SimulatedPfm", "SimulatedStem", "StemScene", "Wall", "simulate", "simulate_pfm",
    "simulate_pfm_frames",
]  # fmt: skip
