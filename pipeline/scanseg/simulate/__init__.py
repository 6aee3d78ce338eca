"""Labelled images with exact truth: atom-resolved STEM."""

from scanseg.simulate.stem import SimulatedStem, StemScene, simulate

__all__ = ["SimulatedStem", "StemScene", "simulate"]
