"""How an image is sampled for a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scanseg.micrograph import Micrograph
from scanseg.preprocess.grid import Grid

if TYPE_CHECKING:
    from scanseg.bundle import Model

__all__ = ["Sampled", "choose_sampling"]


@dataclass(frozen=True, slots=True)
class Sampled:
    """A grid, and what was found out about the spacing of the columns."""

    grid: Grid
    spacing: Any = None
    warnings: tuple[str, ...] = ()


def choose_sampling(image: Micrograph, model: Model, engine: Any) -> Sampled:
    """Take the image as it is."""
    return Sampled(Grid.at_scale(image.shape, 1.0))
