"""How far apart two skeletons lie where they are farthest apart."""

from __future__ import annotations

import numpy as np

from scanseg.micrograph import Mask

__all__ = ["hausdorff_95"]


def hausdorff_95(
    found: Mask,
    truth: Mask,
    *,
    pixel_size: tuple[float, float] = (1.0, 1.0),
    ignored: Mask | None = None,
) -> float:
    """Distance within which 95 % of each skeleton has some pixel of the other.

    Parameters
    ----------
    found, truth
        Skeletons, shape (height, width).
    pixel_size
        (y, x): left out for a distance in pixels, ``pixel_size_nm`` for one in nm.
    ignored
        Walls that may be found and need not be: a found pixel may lie on them.

    Returns
    -------
    distance
        The larger of both ways; NaN where one of the skeletons is empty, since nothing is then at
        any distance.

    Notes
    -----
    The 95th percentile of Huttenlocher et al. (IEEE TPAMI 15, 850, 1993), which one stray pixel
    does not decide.

    Examples
    --------
    >>> truth = np.zeros((20, 30), bool)
    >>> truth[10] = True
    >>> hausdorff_95(np.roll(truth, 3, axis=0), truth)
    3.0
    """
    from scipy import ndimage

    if not found.any() or not truth.any():
        return float("nan")
    allowed = truth if ignored is None else truth | ignored
    ways = []
    for here, there in ((found, allowed), (truth, found)):
        distance = ndimage.distance_transform_edt(~there, sampling=pixel_size)
        ways.append(float(np.percentile(distance[here], 95)))
    return max(ways)
