"""Settings of atom columns: what is one, and how its position is refined."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from scanseg.config import Config

__all__ = ["AtomConfig", "Detection", "Refinement"]


class Detection(Config):
    """When a top of the probability map is a column."""

    threshold: float | None = Field(default=None, gt=0, lt=1)
    """Smallest probability; by default the model's own, chosen on its validation set, and at least
    a half for single atoms that keep no distance."""
    closest_of_spacing: PositiveFloat = 0.3
    """Of two tops closer than this part of the model's spacing the less probable one goes."""


class Refinement(Config):
    """How positions are refined. The defaults are meant for every image."""

    start_width: PositiveFloat = 0.22
    "Width sigma of a column, in units of the spacing, that the fit starts from."
    window_widths: PositiveFloat = 3.2
    "A column is fitted within this many widths of its position along each axis."
    background_pitch: PositiveFloat = 4.0
    "Distance between the nodes of the bilinear background, in units of the spacing."
    max_shift: PositiveFloat = 0.35
    """A column that moves farther from its start, in units of the spacing, is not trusted; but near
    the border it may leave the image."""
    max_error: PositiveFloat = 0.08
    """A column whose error bar is larger, in units of the spacing, is not trusted: the network,
    which sees its neighbours too, knows its place better."""
    min_significance: float = Field(default=3.0, ge=0)
    "A column whose amplitude is fewer standard errors from zero is not trusted."
    max_misfit: PositiveFloat = 20.0
    "A column whose mean squared residual exceeds the image's median so many times is not trusted."
    edge_widths: float = Field(default=1.5, ge=0)
    "A column closer to the border of the image, in widths, is flagged as at the edge."
    max_steps: PositiveInt = 10
    "Steps of the joint fit; most images need four or five."
    tolerance: PositiveFloat = 0.1
    "The fit ends when steps are smaller than this, in standard errors."
    tile_px: PositiveInt = 1024
    "Side of the tiles that a large image is fitted in. They overlap by a few columns."
    threads: PositiveInt = 2
    "Tiles fitted at the same time. The result does not depend on it."


class AtomConfig(Config):
    """From a prediction to a table of columns."""

    detection: Detection = Detection()
    """When a top of the probability map is a column."""
    refinement: Refinement = Refinement()
    """How positions are refined."""
