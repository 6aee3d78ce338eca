"""Pixel size, time step and detector of a TIFF: every program writes them elsewhere."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from scanseg.micrograph import Signal
from scanseg.readers._signals import signal_of
from scanseg.readers.units import length_nm, pixel_size_nm, time_s

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["Facts", "facts_of", "n_ome_planes"]

DM_UNIT_X, DM_UNIT_Y, DM_UNIT_Z = 65003, 65004, 65005
DM_SCALE_X, DM_SCALE_Y, DM_SCALE_Z = 65009, 65010, 65011
TITAN_XML = 34683
SIS_TAG = 33560
RESOLUTION_UNIT = 296
CM, INCH = 3, 2  # values of the ResolutionUnit tag

# Resolution tags in dots per inch are screen settings (72 dpi is 353 µm); below 10 µm they can be
# a microscope's, which some programs write as pixels per centimetre.
LARGEST_PIXEL_FROM_RESOLUTION_NM = 1e4


@dataclass(frozen=True, slots=True)
class Facts:
    """What the tags of a TIFF say of its image.

    Parameters
    ----------
    source
        Which convention gave the pixel size: ``fei``, ``zeiss``, ``sis``, ``digitalmicrograph``,
        ``ome``, ``imagej``, ``resolution``; empty where none did.
    data_rows
        Rows above a burnt-in data bar; None where there is none.
    """

    pixel_size_nm: tuple[float, float] | None = None
    source: str = ""
    frame_time_s: float | None = None
    signal: Signal = Signal.UNKNOWN
    data_rows: int | None = None
    channel_names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def facts_of(tif: TiffFile, page: TiffPage) -> Facts:
    """Ask the conventions in the order of trust: vendor, OME, ImageJ, resolution tags."""
    known = [ask(tif, page) for ask in _CONVENTIONS]
    sizes = [each for each in known if each.pixel_size_nm is not None]
    best = sizes[0] if sizes else Facts()
    return Facts(
        pixel_size_nm=best.pixel_size_nm,
        source=best.source,
        frame_time_s=next((f.frame_time_s for f in known if f.frame_time_s), None),
        signal=next((f.signal for f in known if f.signal != Signal.UNKNOWN), Signal.UNKNOWN),
        data_rows=next((f.data_rows for f in known if f.data_rows), None),
        channel_names=next((f.channel_names for f in known if f.channel_names), ()),
        warnings=best.warnings,
    )


def _fei(tif: TiffFile, page: TiffPage) -> Facts:
    """FEI/Thermo Fisher SEM and Velox exports: metres, and the rows of the image proper."""
    sections = _dictionary(tif.fei_metadata)
    scan = _dictionary(sections.get("Scan"))
    detector = _dictionary(sections.get("Detectors"))
    n_rows = _dictionary(sections.get("Image")).get("ResolutionY")
    return Facts(
        pixel_size_nm(scan.get("PixelHeight"), scan.get("PixelWidth"), "m"),
        "fei",
        signal=signal_of(_titan_detector(page), detector.get("Name"), detector.get("Mode")),
        data_rows=n_rows if isinstance(n_rows, int) and 0 < n_rows < page.imagelength else None,
    )


def _titan_detector(page: TiffPage) -> str:
    """Detector of a Velox export, whose XML lists every detector of the microscope beside it."""
    root = _xml(_tag(page, TITAN_XML))
    return "" if root is None else root.findtext("BinaryResult/Detector") or ""


def _zeiss(tif: TiffFile, page: TiffPage) -> Facts:
    """Zeiss SEM: ``ap_pixel_size`` is that of a frame 1024 pixels wide (checked on real files)."""
    entries = _dictionary(tif.sem_metadata)
    of_image = entries.get("ap_image_pixel_size")
    of_screen = entries.get("ap_pixel_size")
    if isinstance(of_image, tuple) and len(of_image) == 3:
        side_nm = length_nm(of_image[1], of_image[2])
    elif isinstance(of_screen, tuple) and len(of_screen) == 3 and page.imagewidth:
        side_nm = length_nm(of_screen[1], of_screen[2])
        side_nm = side_nm * 1024 / page.imagewidth if side_nm else None
    else:
        return Facts()
    return Facts((side_nm, side_nm) if side_nm else None, "zeiss")


def _sis(tif: TiffFile, page: TiffPage) -> Facts:
    """Olympus Soft Imaging Solutions: metres, in the tags of the data page.

    Page 0 is a coloured preview there, and ``TiffFile.sis_metadata`` looks at that one only.
    """
    entries = _dictionary(_tag(page, SIS_TAG))
    return Facts(pixel_size_nm(entries.get("pixelsizey"), entries.get("pixelsizex"), "m"), "sis")


def _digital_micrograph(tif: TiffFile, page: TiffPage) -> Facts:
    """Gatan's TIFF export, and hyperspy's, which uses the same tags."""
    size = pixel_size_nm(
        _tag(page, DM_SCALE_Y), _tag(page, DM_SCALE_X), _tag(page, DM_UNIT_Y), _tag(page, DM_UNIT_X)
    )
    step_s = time_s(_tag(page, DM_SCALE_Z), _tag(page, DM_UNIT_Z))
    return Facts(size, "digitalmicrograph", frame_time_s=step_s)


def _ome(tif: TiffFile, page: TiffPage) -> Facts:
    """OME-TIFF: a unit that is not written is µm, by the schema."""
    pixels = _ome_pixels(tif)
    if pixels is None:
        return Facts()
    size = pixel_size_nm(
        pixels.get("PhysicalSizeY"),
        pixels.get("PhysicalSizeX"),
        pixels.get("PhysicalSizeYUnit", "µm"),
        pixels.get("PhysicalSizeXUnit", "µm"),
    )
    step_s = time_s(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    names = tuple(channel.get("Name", "") for channel in pixels.findall("{*}Channel"))
    return Facts(size, "ome", frame_time_s=step_s, channel_names=names, signal=signal_of(*names))


def _ome_pixels(tif: TiffFile) -> ElementTree.Element | None:
    """Description of the first image of an OME-TIFF."""
    root = _xml(tif.ome_metadata)
    return None if root is None else root.find(".//{*}Image/{*}Pixels")


def n_ome_planes(tif: TiffFile) -> int:
    """Planes that the OME description of the first image declares; 0 without one."""
    pixels = _ome_pixels(tif)
    if pixels is None:
        return 0
    channel = pixels.find("{*}Channel")
    n_samples = 1 if channel is None else int(channel.get("SamplesPerPixel", 1))
    lengths = [int(pixels.get(f"Size{axis}", 1)) for axis in "TZC"]
    return prod(lengths) // max(n_samples, 1)


def _imagej(tif: TiffFile, page: TiffPage) -> Facts:
    """ImageJ's description: pixels per unit in the resolution tags, the unit in the text.

    hyperspy writes the same text into files that tifffile does not call ImageJ's.
    """
    entries = _dictionary(tif.imagej_metadata) or _imagej_text(page)
    if not entries:
        return Facts()
    unit = entries.get("unit")
    per_x, per_y = _per_unit(page, "XResolution"), _per_unit(page, "YResolution")
    size = None
    if unit is not None and per_x and per_y:
        size = pixel_size_nm(1 / per_y, 1 / per_x, entries.get("yunit", unit), unit)
    step_s = time_s(entries.get("finterval"), entries.get("tunit", "s"))
    labels = tuple(str(label) for label in entries.get("Labels") or ())
    return Facts(size, "imagej", frame_time_s=step_s, channel_names=labels)


def _imagej_text(page: TiffPage) -> dict[str, Any]:
    text = page.description
    if not text.startswith("ImageJ="):
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _resolution(tif: TiffFile, page: TiffPage) -> Facts:
    """Pixels per inch or centimetre, if they can be a microscope's at all; said to be a guess."""
    unit = {CM: "cm", INCH: "inch"}.get(_tag(page, RESOLUTION_UNIT) or 0)
    per_x, per_y = _per_unit(page, "XResolution"), _per_unit(page, "YResolution")
    if unit is None or not per_x or not per_y:
        return Facts()
    size = pixel_size_nm(1 / per_y, 1 / per_x, unit)
    if size is None or max(size) > LARGEST_PIXEL_FROM_RESOLUTION_NM:
        return Facts()
    doubt = (
        f"The pixel size of {size[1]:.4g} nm comes from the file's print resolution and is a "
        "guess: check it, or give the right one with --pixel-size-nm."
    )
    return Facts(size, "resolution", warnings=(doubt,))


_CONVENTIONS: tuple[Callable[[TiffFile, TiffPage], Facts], ...] = (
    _fei,
    _zeiss,
    _sis,
    _digital_micrograph,
    _ome,
    _imagej,
    _resolution,
)


def _per_unit(page: TiffPage, name: str) -> float | None:
    tag = page.tags.get(name)
    if tag is None:
        return None
    numerator, denominator = tag.value
    return numerator / denominator if numerator > 0 and denominator > 0 else None


def _xml(text: Any) -> ElementTree.Element | None:
    if not isinstance(text, str):
        return None
    try:
        return ElementTree.fromstring(text.strip().strip("\0"))
    except ElementTree.ParseError:
        return None


def _tag(page: TiffPage, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
