"""A simulated crystal that goes on without a seam, for images of any size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanseg.simulate import StemScene, simulate

__all__ = ["PIECE_PX", "crystal", "mirrored"]

PIECE_PX = 1024


def crystal(spacing_px: float) -> NDArray[np.uint16]:
    """A simulated piece of strontium titanate in counts, shape (PIECE_PX, PIECE_PX).

    Parameters
    ----------
    spacing_px
        Between columns.
    """
    scene = StemScene(
        materials=("SrTiO3[001]",),
        random_lattice_fraction=0.0,
        layouts={"crystal": 1.0},
        signal="dark-field",
        spacing_px=(spacing_px, spacing_px),
        counts_per_column=(2000.0, 2000.0),
        disorder=0.0,
    )
    piece = simulate(np.random.default_rng(3), shape=(PIECE_PX, PIECE_PX), config=scene).image
    return piece.astype(np.uint16)


def mirrored(piece: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The piece beside its mirror images, twice its sides: repeated, it shows no seam."""
    pair = np.concatenate([piece, piece[:, ::-1]], axis=1)
    return np.concatenate([pair, pair[::-1]], axis=0)
