"""What an OME-TIFF says of its image: axes, calibration, names."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["needs_bigtiff", "ome_metadata", "resolution_tags"]

# Offsets of a classic TIFF have 32 bits; what is not pixels needs some room as well.
CLASSIC_TIFF_BYTES = 3_900_000_000
# The resolution tags are fractions of integers of 32 bits.
LARGEST_PER_CM = 2**32 - 1
CM = 3  # value of the ResolutionUnit tag


def ome_metadata(
    axes: str,
    *,
    title: str,
    pixel_size_nm: tuple[float, float] | None = None,
    channel_names: Sequence[str] = (),
    frame_time_s: float | None = None,
    notes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Entries of an image's OME description, as tifffile takes them.

    Parameters
    ----------
    axes
        Letters of the axes, slowest first: ``TYX``.
    title
        Name of the image. The same title gives the same bytes.
    pixel_size_nm
        Distance between pixel centres along (y, x); None leaves the image uncalibrated.
    frame_time_s
        Time between frames.
    notes
        What OME has no entry for; goes into the description, a line each.
    """
    metadata: dict[str, Any] = {
        "axes": axes,
        "Name": title,
        # Otherwise it comes from the clock, and a repeated run would differ.
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, title)),
    }
    if channel_names:
        metadata["Channel"] = {"Name": list(channel_names)}
    if pixel_size_nm is not None:
        along_y, along_x = pixel_size_nm
        metadata |= {"PhysicalSizeY": along_y, "PhysicalSizeYUnit": "nm"}
        metadata |= {"PhysicalSizeX": along_x, "PhysicalSizeXUnit": "nm"}
    if frame_time_s is not None:
        metadata |= {"TimeIncrement": frame_time_s, "TimeIncrementUnit": "s"}
    if notes:
        metadata["Description"] = "\n".join(f"{key}: {value}" for key, value in notes.items())
    return metadata


def resolution_tags(pixel_size_nm: tuple[float, float] | None) -> dict[str, Any]:
    """Pixels a centimetre, where ImageJ and other readers that do not know OME look.

    Empty without a calibration, and for pixels below 2.4 pm, for which the tags are too small.

    Examples
    --------
    >>> resolution_tags((0.02, 0.01))
    {'resolution': (1000000000.0, 500000000.0), 'resolutionunit': 3}
    """
    if pixel_size_nm is None:
        return {}
    along_y, along_x = pixel_size_nm
    per_cm = (1e7 / along_x, 1e7 / along_y)  # 1 cm = 1e7 nm
    if max(per_cm) > LARGEST_PER_CM:
        return {}
    return {"resolution": per_cm, "resolutionunit": CM}


def needs_bigtiff(n_bytes: int) -> bool:
    """Whether a file of this size needs offsets of 64 bits."""
    return n_bytes > CLASSIC_TIFF_BYTES
