"""Pixel size, time step and detector of a TIFF: every program writes them elsewhere."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from scanseg.micrograph import Signal
from scanseg.readers._signals import signal_of
from scanseg.readers.units import (
    is_reciprocal,
    is_spectral,
    length_nm,
    per_nm,
    pixel_size_nm,
    time_s,
)

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["Facts", "facts_of", "n_ome_planes"]

DM_UNIT_X, DM_UNIT_Y, DM_UNIT_Z = 65003, 65004, 65005
DM_SCALE_X, DM_SCALE_Y, DM_SCALE_Z = 65009, 65010, 65011
TITAN_XML = 34683
SIS_TAG = 33560
FEI_SFEG, FEI_HELIOS = 34680, 34682
CZ_SEM = 34118
ZEISS_PIXEL_SIZE = 3  # place among the unnamed numbers
TVIPS = 37706
TVIPS_DIFFRACTION = 3  # value of TemMode
MAKE, JEOL = 271, "JEOL Ltd."
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
        warnings=best.warnings,
        spectral=any(f.spectral for f in known),
        unit=next((f.unit for f in known if f.unit), ""),
    )


def _fei(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """FEI/Thermo Fisher SEM and Velox exports: metres, and the rows of the image proper.

    The pictures of the navigation camera have no scan, but a field of view.
    """
    sections = _dictionary(_tag(page, FEI_SFEG) or _tag(page, FEI_HELIOS))
    scan = _dictionary(sections.get("Scan"))
    image = _dictionary(sections.get("Image"))
    camera = _dictionary(sections.get("IRBeam"))
    detector = _dictionary(sections.get("Detectors"))
    n_rows, n_columns = image.get("ResolutionY"), image.get("ResolutionX")
    scanned = pixel_size_nm(scan.get("PixelHeight"), scan.get("PixelWidth"), "m")
    return Facts(
        scanned or _divided(camera.get("VFW"), n_rows, camera.get("HFW"), n_columns),
        "fei",
        signal=signal_of(_titan_detector(page), detector.get("Name"), detector.get("Mode")),
        data_rows=n_rows if isinstance(n_rows, int) and 0 < n_rows < page.imagelength else None,
    )


def _divided(
    height_m: Any, n_rows: Any, width_m: Any, n_columns: Any
) -> tuple[float, float] | None:
    """Pixel size from a field of view; some of its entries may be empty."""
    height_nm, width_nm = length_nm(height_m, "m"), length_nm(width_m, "m")
    if not height_nm or not width_nm:
        return None
    if not all(isinstance(n, int) and n > 0 for n in (n_rows, n_columns)):
        return None
    return height_nm / n_rows, width_nm / n_columns


def _titan_detector(page: TiffPage) -> str:
    """Detector of a Velox export, whose XML lists every detector of the microscope beside it."""
    root = _xml(_tag(page, TITAN_XML))
    return "" if root is None else root.findtext("BinaryResult/Detector") or ""


def _zeiss(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """Zeiss SEM: ``ap_pixel_size`` is that of a frame 1024 pixels wide (checked on real files).

    Some versions of the program leave the named entries out; the fourth of the unnamed numbers is
    the same size in metres.
    """
    entries = _dictionary(_tag(page, CZ_SEM))
    unnamed = entries.get("") or ()
    of_image = _named_length(entries.get("ap_image_pixel_size"))
    of_screen = _named_length(entries.get("ap_pixel_size"))
    if of_screen is None and len(unnamed) > ZEISS_PIXEL_SIZE:
        of_screen = length_nm(unnamed[ZEISS_PIXEL_SIZE], "m")
    if of_image is None and of_screen is not None and page.imagewidth:
        of_image = of_screen * 1024 / page.imagewidth
    return Facts(None if of_image is None else (of_image, of_image), "zeiss")


def _named_length(entry: Any) -> float | None:
    """Length of an entry (label, value, unit), in nm."""
    return length_nm(entry[1], entry[2]) if isinstance(entry, tuple) and len(entry) == 3 else None


def _jeol(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """JEOL SightX: the resolution tags hold the camera's pixel, the XML what it was magnified by.

    A diffraction pattern has a camera length L instead: a pixel p is p / (L λ).
    """
    report = _xml(page.description.replace("\x01", "")) if _tag(page, MAKE) == JEOL else None
    optics = None if report is None else report.find("ImageFormingSystem")
    camera = _from_resolution(page)
    if report is None or optics is None or camera is None:
        return Facts()
    in_tem = report.findtext("Eos/EosMode") == "eosTEM"
    field = report.findtext("IlluminationSystem/ImageField") or ""
    mode, selector = optics.findtext("ModeString"), optics.findtext("SelectorString")
    words = ("TEM" if in_tem else "STEM", field.removeprefix("mode"), mode, selector)
    named = Facts(source="jeol", channel_names=(", ".join(word for word in words if word),))
    volts = _positive(report.findtext("ElectronGun/AccelerationVoltage"))
    strength, unit = optics.findtext("SelectorValue"), optics.findtext("SelectorUnitString")
    if in_tem and mode == "MAG" and (magnification := _positive(strength)):
        return replace(named, pixel_size_nm=_times(camera, 1 / magnification))
    if not in_tem or mode != "DIFF":
        return named
    length = length_nm(strength, unit)
    scale = 1 / (length * _wavelength_nm(volts)) if length and volts else None
    size = None if scale is None else _times(camera, scale)
    return replace(named, reciprocal=True, pixel_size_per_nm=size)


def _positive(text: str | None) -> float | None:
    """A positive number, or None."""
    return length_nm(text, "nm")


def _times(pair: tuple[float, float], factor: float) -> tuple[float, float]:
    return pair[0] * factor, pair[1] * factor


def _wavelength_nm(volts: float) -> float:
    """De Broglie wavelength of an electron, relativistic: 2.508 pm at 200 kV."""
    rest_energy_ev, hc_ev_nm = 510998.95, 1239.84198
    return hc_ev_nm / math.sqrt(volts * (volts + 2 * rest_energy_ev))


def _tvips(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """TVIPS EM-MENU: nanometres in the second version of its header, else pixels a centimetre."""
    entries = _dictionary(_tag(page, TVIPS))
    if not entries:
        return Facts()
    if entries.get("TemMode") == TVIPS_DIFFRACTION:
        return Facts(source="tvips", reciprocal=True)
    if "PixelSizeX" in entries:
        return Facts(pixel_size_nm(entries["PixelSizeY"], entries["PixelSizeX"], "nm"), "tvips")
    return Facts(_from_resolution(page, unit="cm"), "tvips")


def _sis(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """Olympus Soft Imaging Solutions: metres, in the tags of the data page.

    Page 0 is a coloured preview there, and ``TiffFile.sis_metadata`` looks at that one only.
    """
    entries = _dictionary(_tag(page, SIS_TAG))
    return Facts(pixel_size_nm(entries.get("pixelsizey"), entries.get("pixelsizex"), "m"), "sis")


def _digital_micrograph(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """Gatan's TIFF export, and hyperspy's, which uses the same tags."""
    units = _tag(page, DM_UNIT_Y), _tag(page, DM_UNIT_X)
    scales = _tag(page, DM_SCALE_Y), _tag(page, DM_SCALE_X)
    step_s = time_s(_tag(page, DM_SCALE_Z), _tag(page, DM_UNIT_Z))
    return _calibrated(scales, units, "digitalmicrograph", step_s)


def _calibrated(
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
    )


def _ome_image(tif: TiffFile, number: int = 0) -> ElementTree.Element | None:
    """Description of one of the images of an OME-TIFF."""
    root = _xml(tif.ome_metadata)
    images = [] if root is None else root.findall("{*}Image")
    return images[number] if number < len(images) else None


def _ome_notes(image: ElementTree.Element) -> dict[str, str]:
    """Lines ``key: value`` that scanseg's writer puts where OME has no entry of its own."""
    text = image.findtext("{*}Description") or ""
    pairs = (line.partition(": ") for line in text.splitlines())
    return {key: value for key, _, value in pairs if value}


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
    entries = _dictionary(tif.imagej_metadata) or _imagej_text(page)
    if not entries:
        return Facts()
    step_s = time_s(entries.get("finterval"), entries.get("tunit", "s"))
    labels = tuple(str(label) for label in entries.get("Labels") or ())
    unit = entries.get("unit")
    per_x, per_y = _per_unit(page, "XResolution"), _per_unit(page, "YResolution")
    if unit is None or not per_x or not per_y:
        return Facts(frame_time_s=step_s, channel_names=labels)
    units = entries.get("yunit", unit), unit
    known = _calibrated((1 / per_y, 1 / per_x), units, "imagej", step_s)
    return replace(known, channel_names=labels)


def _imagej_text(page: TiffPage) -> dict[str, Any]:
    text = page.description
    if not text.startswith("ImageJ="):
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _resolution(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """Pixels per inch or centimetre, if they can be a microscope's at all; said to be a guess."""
    size = _from_resolution(page)
    if size is None or max(size) > LARGEST_PIXEL_FROM_RESOLUTION_NM:
        return Facts()
    doubt = (
        f"The pixel size of {size[1]:.4g} nm comes from the file's print resolution and is a "
        "guess: check it, or give the right one with --pixel-size-nm."
    )
    return Facts(size, "resolution", warnings=(doubt,))


def _from_resolution(page: TiffPage, *, unit: str | None = None) -> tuple[float, float] | None:
    """Pixel size by the resolution tags, in their unit or another."""
    unit = unit or {CM: "cm", INCH: "inch"}.get(_tag(page, RESOLUTION_UNIT) or 0)
    per_x, per_y = _per_unit(page, "XResolution"), _per_unit(page, "YResolution")
    if unit is None or not per_x or not per_y:
        return None
    return pixel_size_nm(1 / per_y, 1 / per_x, unit)


_CONVENTIONS: tuple[Callable[[TiffFile, TiffPage, int], Facts], ...] = (
    _fei,
    _zeiss,
    _jeol,
    _tvips,
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
