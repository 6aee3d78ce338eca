"""What the tags of a TIFF say of its image, and how tags are read."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scanseg.micrograph import Signal
from scanseg.readers.units import (
    is_reciprocal,
    is_spectral,
    per_nm,
    pixel_size_nm,
)

if TYPE_CHECKING:
    from tifffile import TiffPage

__all__ = [
    "Facts",
    "calibrated",
    "dictionary",
    "from_resolution",
    "per_unit",
    "tag_value",
    "xml_root",
]

RESOLUTION_UNIT = 296
CM, INCH = 3, 2  # values of the ResolutionUnit tag


@dataclass(frozen=True, slots=True)
class Facts:
    """What the tags of a TIFF say of its image.

    Parameters
    ----------
    source
        Which convention gave the pixel size: ``fei``, ``zeiss``, ``jeol``, ``tvips``, ``sis``,
        ``digitalmicrograph``, ``ome``, ``imagej``, ``resolution``; empty where none did.
    pixel_size_per_nm
        Size of a pixel of a diffraction pattern.
    reciprocal
        Whether it is a diffraction pattern or a Fourier transform.
    spectral
        Whether energies or wavelengths run along rows or columns.
    unit
        Of the values.
    channel_signals, channel_units
        Of each channel, where the file has them.
    data_rows
        Rows above a burnt-in data bar; None where there is none.
    """

    pixel_size_nm: tuple[float, float] | None = None
    source: str = ""
    frame_time_s: float | None = None
    signal: Signal = Signal.UNKNOWN
    data_rows: int | None = None
    channel_names: tuple[str, ...] = ()
    channel_signals: tuple[Signal, ...] = ()
    channel_units: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pixel_size_per_nm: tuple[float, float] | None = None
    reciprocal: bool = False
    spectral: bool = False
    unit: str = ""

    @property
    def notes(self) -> dict[str, Any]:
        """What a channel keeps in its metadata."""
        notes: dict[str, Any] = {"calibration": self.source}
        if self.unit:
            notes["unit"] = self.unit
        if self.pixel_size_per_nm is not None:
            notes["pixel_size_per_nm"] = self.pixel_size_per_nm
        return notes


def calibrated(
    sides: tuple[Any, Any], units: tuple[Any, Any], source: str, step_s: float | None
) -> Facts:
    """Facts of sides with units, which tell images from patterns and from spectra."""
    if any(is_spectral(unit) for unit in units):
        return Facts(spectral=True)
    if is_reciprocal(units[1]):
        per_y, per_x = per_nm(sides[0], units[0]), per_nm(sides[1], units[1])
        size = (per_y, per_x) if per_y and per_x else None
        return Facts(None, source, step_s, pixel_size_per_nm=size, reciprocal=True)
    return Facts(pixel_size_nm(*sides, *units), source, step_s)


def from_resolution(page: TiffPage, *, unit: str | None = None) -> tuple[float, float] | None:
    """Pixel size by the resolution tags, in their unit or another."""
    unit = unit or {CM: "cm", INCH: "inch"}.get(tag_value(page, RESOLUTION_UNIT) or 0)
    per_x, per_y = per_unit(page, "XResolution"), per_unit(page, "YResolution")
    if unit is None or not per_x or not per_y:
        return None
    return pixel_size_nm(1 / per_y, 1 / per_x, unit)


def per_unit(page: TiffPage, name: str) -> float | None:
    tag = page.tags.get(name)
    if tag is None:
        return None
    numerator, denominator = tag.value
    return numerator / denominator if numerator > 0 and denominator > 0 else None


def xml_root(text: Any) -> ElementTree.Element | None:
    if not isinstance(text, str):
        return None
    try:
        return ElementTree.fromstring(text.strip().strip("\0"))
    except ElementTree.ParseError:
        return None


def tag_value(page: TiffPage, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
