"""Gain, noise and error bars of images that hold no counts.

    python benchmarks/real_valued.py

One crystal (square lattice, 5 widths apart, 1,000 counts a column) is stored in the ways that files
come in: with gain and offset, with read-out noise, as fractions, in 8 bits, inverted,
filtered. Printed: the gain found over the true one, the rms of error over error bar (0.9 to 1.1
aimed at), and the rms error over the bound of what was stored. For filtered images the bound is
that of the counts, which filtering by less than the columns' width hardly changes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, median_filter

from localisation import render, square
from scanseg.atoms.refine import refine_columns
from scanseg.evaluate import cramer_rao_bound_px

FloatArray = NDArray[np.float64]
SIDE_PX, SPACING_PX, SIGMA_PX, COUNTS = 400, 12.0, 2.4, 1000.0
Store = Callable[[FloatArray, np.random.Generator], FloatArray]

# name: what the file holds, the gain in it, variance of read-out in counts²
STORED: dict[str, tuple[Store, float, float]] = {
    "counts": (lambda n, rng: n, 1.0, 0.0),
    "gain 0.37, offset 250": (lambda n, rng: 0.37 * n + 250, 0.37, 0.0),
    "gain 40, offset -3000": (lambda n, rng: 40 * n - 3000, 40.0, 0.0),
    "fractions 0 to 1": (lambda n, rng: (n - n.min()) / np.ptp(n), np.nan, 0.0),
    "read-out 3 counts": (lambda n, rng: n + rng.normal(0, 3, n.shape), 1.0, 9.0),
    "read-out 15 counts": (lambda n, rng: n + rng.normal(0, 15, n.shape), 1.0, 225.0),
    "8 bits": (lambda n, rng: np.round(255 * n / n.max()), np.nan, 0.0),
    "inverted": (lambda n, rng: 500 - n, -1.0, 0.0),
    "smoothed, s.d. 0.7 px": (lambda n, rng: gaussian_filter(n, 0.7), np.nan, 0.0),
    "smoothed, s.d. 1.5 px": (lambda n, rng: gaussian_filter(n, 1.5), np.nan, 0.0),
    "median of 3 x 3": (lambda n, rng: median_filter(n, 3), np.nan, 0.0),
    "sum of 2 x 2, shifted half": (
        lambda n, rng: n + np.roll(n, 1, 0) + np.roll(n, 1, 1) + np.roll(n, (1, 1), (0, 1)),
        np.nan, 0.0,
    ),
}  # fmt: skip


def main() -> None:
    """Print a row for each way of storing."""
    peak = COUNTS / (2 * np.pi * SIGMA_PX**2)
    rng = np.random.default_rng(3)
    sites = square(SIDE_PX, SPACING_PX)
    truth = sites + rng.normal(0, 0.03 * SPACING_PX, sites.shape)
    counts = rng.poisson(render(SIDE_PX, truth, peak, SIGMA_PX, 0.2 * peak)).astype(float)
    start = truth + rng.normal(0, 0.05 * SPACING_PX, truth.shape)
    print(
        f"{'stored as':28} {'gain':>7} {'/error bar':>10} {'/bound':>7} {'correlation':>11} fit_ok"
    )
    for name, (store, gain, variance) in STORED.items():
        image = store(counts, np.random.default_rng(4)).astype(np.float32)
        found = refine_columns(image, start, spacing_px=SPACING_PX)
        use = found.fit_ok & ~found.at_edge
        error = (found.position_px - truth)[use]
        error = error - error.mean(axis=0)  # sums and filters of even size shift the whole image
        pull = np.sqrt(np.mean((error / found.position_err_px[use]) ** 2))
        bound = _bound(peak, variance)
        noise = found.noise
        assert noise is not None
        rms = np.sqrt(np.mean(error**2))
        print(
            f"{name:28} {noise.gain / gain:7.3f} {pull:10.3f} {rms / bound:7.3f} "
            f"{noise.correlation:11.2f} {found.fit_ok.mean():.3f}",
            flush=True,
        )


def _bound(peak: float, variance: float) -> float:
    patch = square(110, SPACING_PX)
    bound = cramer_rao_bound_px(
        patch, amplitude=peak, sigma_px=SIGMA_PX, background=0.2 * peak, shape=(110, 110),
        read_variance=variance,
    )  # fmt: skip
    own = (np.abs(patch - patch.mean(axis=0)) < 1.6 * SPACING_PX).all(axis=1)
    return float(np.sqrt(np.mean(bound[own] ** 2)))


if __name__ == "__main__":
    main()
