"""Scale, units and axis labels of layers: all of them on every layer, or napari drops the units.

One layer without units turns them off for the whole viewer, and its image is drawn in pixels while
the others are drawn in nanometres.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["like", "pixel_size_nm_of", "spatial", "to_nm"]

FRAME_AXIS = "t"


def spatial(
    pixel_size_nm: tuple[float, float] | None,
    *,
    n_frames: int = 1,
    frame_time_s: float | None = None,
) -> dict[str, Any]:
    """What every layer of an image says of its axes.

    Parameters
    ----------
    pixel_size_nm
        (y, x); None where it is not known: then lengths are in pixels, and said to be.
    n_frames
        More than one adds an axis in front.
    frame_time_s
        Time between frames.

    Examples
    --------
    >>> spatial((0.02, 0.03))
    {'scale': (0.02, 0.03), 'units': ('nm', 'nm'), 'axis_labels': ('y', 'x')}
    >>> spatial(None, n_frames=3)["units"]
    ('pixel', 'pixel', 'pixel')
    """
    unit = "pixel" if pixel_size_nm is None else "nm"
    scale: tuple[float, ...] = pixel_size_nm or (1.0, 1.0)
    units: tuple[str, ...] = (unit, unit)
    labels: tuple[str, ...] = ("y", "x")
    if n_frames > 1:
        scale = (frame_time_s or 1.0, *scale)
        units = ("s" if frame_time_s else "pixel", *units)
        labels = (FRAME_AXIS, *labels)
    return {"scale": scale, "units": units, "axis_labels": labels}


def like(layer: Any, ndim: int | None = None) -> dict[str, Any]:
    """What a layer of ``ndim`` axes must say to lie on another layer.

    Parameters
    ----------
    layer
        A layer of napari.
    ndim
        Number of the last axes that are taken; all by default.
    """
    last = slice(layer.ndim - (ndim or layer.ndim), None)
    axes = {
        name: tuple(getattr(layer, name)[last])
        for name in ("scale", "translate", "units", "axis_labels")
    }
    if ndim in (None, layer.ndim):
        axes["affine"] = layer.affine
    return axes


def pixel_size_nm_of(axes: Any) -> tuple[float, float] | None:
    """Pixel size along (y, x) in nm of a layer, or of the attributes of one; None without.

    Parameters
    ----------
    axes
        A layer, or a mapping with ``scale`` and ``units``.

    Examples
    --------
    >>> pixel_size_nm_of({"scale": (1.0, 0.02, 0.03), "units": ("s", "nm", "nm")})
    (0.02, 0.03)
    """
    known = axes if isinstance(axes, dict) else {}
    scale, units = (known.get(name, getattr(axes, name, None)) for name in ("scale", "units"))
    if scale is None or units is None or isinstance(units, str):
        return None
    y_nm, x_nm = (_nm_in(unit) for unit in units[-2:])
    if y_nm is None or x_nm is None:
        return None
    return float(scale[-2]) * y_nm, float(scale[-1]) * x_nm


def to_nm(
    position_px: NDArray[np.float64], pixel_size_nm: tuple[float, float] | None
) -> NDArray[np.float64]:
    """Positions (y, x) in nm; NaN without a calibration."""
    size: Sequence[float] = pixel_size_nm or (np.nan, np.nan)
    return np.asarray(position_px[:, -2:] * np.asarray(size))


def _nm_in(unit: Any) -> float | None:
    """Nanometres in a unit, or None where it is no length."""
    import pint

    registry = pint.get_application_registry()
    quantity = registry.Quantity(1.0, str(unit))
    return float(quantity.to("nm").magnitude) if quantity.check("[length]") else None
