"""Pixel size, time step and detector of a TIFF: every program writes them elsewhere."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

from scanseg.micrograph import Signal
from scanseg.readers._signals import signal_of
from scanseg.readers.tiff._facts import (
    Facts,
    calibrated,
    dictionary,
    from_resolution,
    per_unit,
    xml_root,
)
from scanseg.readers.tiff._vendors import digital_micrograph, fei, jeol, sis, tvips, zeiss
from scanseg.readers.units import (
    pixel_size_nm,
    time_s,
)

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["facts_of", "n_ome_planes"]

# Resolution tags in dots per inch are screen settings (72 dpi is 353 µm); below 10 µm they can be
# a microscope's, which some programs write as pixels per centimetre.
LARGEST_PIXEL_FROM_RESOLUTION_NM = 1e4


def facts_of(tif: TiffFile, page: TiffPage, number: int = 0) -> Facts:
    """Ask the conventions in the order of trust: vendor, OME, ImageJ, resolution tags.

    Parameters
    ----------
    tif
        The open file.
    page
        First page of an image.
    number
        Which of the images of the file it is.
    """
    known = [ask(tif, page, number) for ask in _CONVENTIONS]
    sizes = [each for each in known if each.pixel_size_nm is not None or each.reciprocal]
    best = sizes[0] if sizes else Facts()
    return Facts(
        pixel_size_nm=best.pixel_size_nm,
        pixel_size_per_nm=best.pixel_size_per_nm,
        reciprocal=best.reciprocal,
        source=best.source,
        frame_time_s=next((f.frame_time_s for f in known if f.frame_time_s), None),
        signal=next((f.signal for f in known if f.signal != Signal.UNKNOWN), Signal.UNKNOWN),
        data_rows=next((f.data_rows for f in known if f.data_rows), None),
        channel_names=next((f.channel_names for f in known if f.channel_names), ()),
        channel_signals=next((f.channel_signals for f in known if f.channel_signals), ()),
        channel_units=next((f.channel_units for f in known if f.channel_units), ()),
        warnings=best.warnings,
        spectral=any(f.spectral for f in known),
        unit=next((f.unit for f in known if f.unit), ""),
    )


def _ome(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """OME-TIFF: a unit that is not written is µm, by the schema."""
    image = _ome_image(tif, number)
    pixels = None if image is None else image.find("{*}Pixels")
    if image is None or pixels is None:
        return Facts()
    size = pixel_size_nm(
        pixels.get("PhysicalSizeY"),
        pixels.get("PhysicalSizeX"),
        pixels.get("PhysicalSizeYUnit", "µm"),
        pixels.get("PhysicalSizeXUnit", "µm"),
    )
    step_s = time_s(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    names = tuple(channel.get("Name", "") for channel in pixels.findall("{*}Channel"))
    notes = _ome_notes(image)
    known = [each for each in Signal if each == notes.get("signal")]
    return Facts(
        size,
        "ome",
        frame_time_s=step_s,
        channel_names=names,
        signal=known[0] if known else signal_of(*names),
        unit=notes.get("unit", ""),
        channel_signals=_signals(notes.get("signals", "")),
        channel_units=tuple(notes["units"].split(", ")) if "units" in notes else (),
    )


def _ome_image(tif: TiffFile, number: int = 0) -> ElementTree.Element | None:
    """Description of one of the images of an OME-TIFF."""
    root = xml_root(tif.ome_metadata)
    images = [] if root is None else root.findall("{*}Image")
    return images[number] if number < len(images) else None


def _ome_notes(image: ElementTree.Element) -> dict[str, str]:
    """Lines ``key: value`` that scanseg's writer puts where OME has no entry of its own."""
    text = image.findtext("{*}Description") or ""
    pairs = (line.partition(": ") for line in text.splitlines())
    return {key: value for key, _, value in pairs if value}


def _signals(text: str) -> tuple[Signal, ...]:
    known = {str(signal): signal for signal in Signal}
    words = text.split(", ") if text else ()
    return tuple(known.get(word, Signal.UNKNOWN) for word in words)


def n_ome_planes(tif: TiffFile) -> int:
    """Planes that the OME description of the first image declares; 0 without one."""
    image = _ome_image(tif)
    pixels = None if image is None else image.find("{*}Pixels")
    if pixels is None:
        return 0
    channel = pixels.find("{*}Channel")
    n_samples = 1 if channel is None else int(channel.get("SamplesPerPixel", 1))
    lengths = [int(pixels.get(f"Size{axis}", 1)) for axis in "TZC"]
    return prod(lengths) // max(n_samples, 1)


def _imagej(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """ImageJ's description: pixels per unit in the resolution tags, the unit in the text.

    hyperspy writes the same text into files that tifffile does not call ImageJ's.
    """
    entries = dictionary(tif.imagej_metadata) or _imagej_text(page)
    if not entries:
        return Facts()
    step_s = time_s(entries.get("finterval"), entries.get("tunit", "s"))
    labels = tuple(str(label) for label in entries.get("Labels") or ())
    unit = entries.get("unit")
    per_x, per_y = per_unit(page, "XResolution"), per_unit(page, "YResolution")
    if unit is None or not per_x or not per_y:
        return Facts(frame_time_s=step_s, channel_names=labels)
    units = entries.get("yunit", unit), unit
    known = calibrated((1 / per_y, 1 / per_x), units, "imagej", step_s)
    return replace(known, channel_names=labels)


def _imagej_text(page: TiffPage) -> dict[str, Any]:
    text = page.description
    if not text.startswith("ImageJ="):
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _resolution(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """Pixels per inch or centimetre, if they can be a microscope's at all; said to be a guess."""
    size = from_resolution(page)
    if size is None or max(size) > LARGEST_PIXEL_FROM_RESOLUTION_NM:
        return Facts()
    doubt = (
        f"The pixel size of {size[1]:.4g} nm comes from the file's print resolution and is a "
        "guess: check it, or give the right one with --pixel-size-nm."
    )
    return Facts(size, "resolution", warnings=(doubt,))


_CONVENTIONS: tuple[Callable[[TiffFile, TiffPage, int], Facts], ...] = (
    fei,
    zeiss,
    jeol,
    tvips,
    sis,
    digital_micrograph,
    _ome,
    _imagej,
    _resolution,
)
