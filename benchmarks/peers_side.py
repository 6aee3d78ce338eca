"""The side of trackpy and Atomap; runs in their environment and imports nothing of scanseg.

peers_side.py {trackpy|atomap} FOLDER OUT.npz SPACING_PX

Both are given the distance of nearest columns. trackpy locates by its band pass and iterated
centroids (its `refine_leastsq` ends with "Iteration limit reached" on most of these images); Atomap
starts from local maxima, goes on to centres of mass and then to its
two-dimensional Gaussians, as its manual does.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile


def locate_with_trackpy(image: np.ndarray, spacing_px: float) -> np.ndarray:
    """Positions (y, x), shape (N, 2)."""
    import trackpy

    trackpy.quiet()
    diameter = 2 * int(0.4 * spacing_px) + 1
    found = trackpy.locate(
        image, diameter, separation=0.6 * spacing_px, minmass=0, threshold=0, percentile=50
    )
    return found[["y", "x"]].to_numpy(float)


def locate_with_atomap(image: np.ndarray, spacing_px: float) -> np.ndarray:
    """Positions (y, x), shape (N, 2)."""
    import atomap.api as am
    import hyperspy.api as hs

    signal = hs.signals.Signal2D(image.astype(np.float32))
    start = am.get_atom_positions(signal, separation=max(2, round(0.6 * spacing_px)))
    sublattice = am.Sublattice(start, image=signal.data)
    sublattice.find_nearest_neighbors()
    sublattice.refine_atom_positions_using_center_of_mass(show_progressbar=False)
    sublattice.refine_atom_positions_using_2d_gaussian(show_progressbar=False)
    return np.stack([sublattice.y_position, sublattice.x_position], axis=1)


LOCATE: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "trackpy": locate_with_trackpy,
    "atomap": locate_with_atomap,
}


def main(program: str, folder: str, out: str, spacing_px: str) -> None:
    """Locate the columns of every image of a folder."""
    found = {
        path.name: LOCATE[program](tifffile.imread(path), float(spacing_px))
        for path in sorted(Path(folder).glob("*.tif"))
    }
    np.savez(out, **found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
