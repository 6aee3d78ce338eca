"""WSxM scans (.top, .stp and others): sections of settings, then one plane of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scanseg.errors import Unsupported
from scanseg.micrograph import RealImage
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers.probe._channels import probe_channel
from scanseg.readers.probe._headers import header_before, lines_of, number
from scanseg.readers.probe._planes import stored_plane, unfinished_rows
from scanseg.readers.units import pixel_size_nm

__all__ = ["read_wsxm"]

FORMAT = "WSxM"
HEADER_END = b"[Header end]"
DTYPES = {"short": "<i2", "float": "<f4", "double": "<f8"}


@reads(FORMAT, ".top", ".stp", ".cur", starts_with=[b"WSxM file copyright"])
def read_wsxm(path: Path) -> Sequence[Channel]:
    """Read the image; integers are scaled so that they span the range that is stated."""
    settings = _header(path)
    dtype = DTYPES.get(settings.get("Image Data Type", "short"))
    if dtype is None:
        raise Unsupported(
            path,
            f"its values are stored as {settings['Image Data Type']!r}.",
            format=FORMAT,
            hint="Export it as Gwyddion file.",
        )
    shape = int(number(settings["Number of rows"])), int(number(settings["Number of columns"]))
    plane = stored_plane(
        path, FORMAT, offset=int(settings["Image header size"]), dtype=dtype, shape=shape
    )
    z_range, unit = _quantity(settings["Z Amplitude"])

    def load() -> RealImage:
        values = plane()[::-1, ::-1].astype(float)  # stored from the lower right corner on
        span = float(np.ptp(values))
        # floats are values, integers are counts that fill the range
        return values * (z_range / span) if dtype == "<i2" and span > 0 else values

    (size_y, unit_y), (size_x, unit_x) = (
        _quantity(settings[key]) for key in ("Y Amplitude", "X Amplitude")
    )
    return [
        probe_channel(
            settings.get("Acquisition channel", ""),
            shape,
            load,
            unit=unit,
            pixel_size_nm=pixel_size_nm(size_y / shape[0], size_x / shape[1], unit_y, unit_x),
            direction={"Forward": "trace", "Backward": "retrace"}.get(
                settings.get("X scanning direction", ""), ""
            ),
            bytes_per_pixel=8,
            warnings=unfinished_rows(plane()),
        )
    ]


def _header(path: Path) -> dict[str, str]:
    """Entries ``key: value`` of all sections; the first of equal keys counts."""
    header, _ = header_before(path, FORMAT, HEADER_END)
    entries: dict[str, str] = {}
    for line in lines_of(header.decode("latin-1")):
        key, colon, value = line.partition(":")
        if colon:
            entries.setdefault(key.strip(), value.strip())
    return entries


def _quantity(text: str) -> tuple[float, str]:
    """Take "59.7449 nm" apart."""
    unit = re.search(r"[^\s\d.+-]\S*$", text)
    return number(text), unit[0] if unit else ""
