"""Settings of walls and domains."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from scanseg.config import Config

__all__ = ["DomainMapping", "WallTracing"]


class DomainMapping(Config):
    """How domains are told apart."""

    gap_px: NonNegativeFloat = 8.0
    """Gaps in and between walls are bridged up to this length."""
    smallest_px: PositiveInt = 20
    """Smaller regions, in pixels of area, go with what is beside them."""


class WallTracing(Config):
    """How probabilities become walls, and walls domains."""

    threshold: float | None = Field(default=None, gt=0, lt=1)
    """Probability of all wall classes together from which a pixel is on a wall; None takes the
    model's, and 0.5 without a model."""
    phase_weight: NonNegativeFloat = 1.0
    """How much it counts beside the network, when classes are told apart, whether the measured
    response turns over across the wall; 0 for not at all."""
    spur_px: PositiveFloat = 6.0
    """Branches from a junction to a free end are dropped below this length."""
    shortest_px: PositiveFloat = 8.0
    """Lone walls are dropped below this length."""
    shortest_run_px: PositiveFloat = 12.0
    """A branch is cut where its class changes, unless the run of a class is shorter than this."""
    place: Literal["wall", "flip"] = "wall"
    """Where ferroelectric walls are put: where the polarisation reverses, or where the phase flips,
    which a background of the instrument moves by up to two pixels."""
    half_width_px: PositiveFloat = 3.0
    """Half width w that fits start from."""
    reach_px: PositiveFloat = 10.0
    """How far across a wall the signal is used, unless the next wall is nearer."""
    largest_shift_px: PositiveFloat = 2.0
    """How far a fit may move a wall from where the network saw it."""
    domains: DomainMapping = DomainMapping()
    """How domains are told apart."""
