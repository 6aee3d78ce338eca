"""Domains that walls enclose, compared as maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Mask

__all__ = ["adapted_rand_error", "polarity_agreement", "regions_of"]


def regions_of(skeleton: Mask) -> NDArray[np.int32]:
    """Numbered regions between walls, from 1; 0 on the walls themselves, shape (height, width)."""
    from scipy import ndimage

    label, _ = ndimage.label(~skeleton)  # four neighbours: no region leaks over a corner
    return np.asarray(label, np.int32)


def adapted_rand_error(found: NDArray[np.int32], truth: NDArray[np.int32]) -> float:
    """1 minus the F1 of pairs of pixels that lie in one domain (Arganda-Carreras et al., 2015).

    Parameters
    ----------
    found, truth
        Numbered domains, 0 for pixels that belong to none, shape (height, width).
    """
    both = (found > 0) & (truth > 0)
    if not both.any():
        return float("nan")
    found_at, truth_at = found[both].astype(np.int64), truth[both].astype(np.int64)
    together = np.bincount(truth_at * (int(found_at.max()) + 1) + found_at).astype(float)
    sizes = [np.bincount(each).astype(float) for each in (found_at, truth_at)]
    # Sums of squares count pairs of pixels; a pixel's pair with itself is left out of each.
    n_together, n_found, n_truth = (float((n * (n - 1)).sum()) for n in (together, *sizes))
    total = n_found + n_truth
    return 1.0 - 2.0 * n_together / total if total else 0.0


def polarity_agreement(found: NDArray[np.int8], truth: NDArray[np.int8]) -> float:
    """Share of pixels with the right polarity, where both are not 0.

    Which of the two directions is called up cannot be told from a scan, so the better of both
    ways counts: 0.5 is chance.

    Parameters
    ----------
    found, truth
        +1, -1, or 0 where it is not known, shape (height, width).
    """
    both = (found != 0) & (truth != 0)
    if not both.any():
        return float("nan")
    same = float((found[both] == truth[both]).mean())
    return max(same, 1.0 - same)
