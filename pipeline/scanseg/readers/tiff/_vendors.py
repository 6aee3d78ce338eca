"""Calibrations in the tags of microscope makers, one function each."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scanseg.readers._signals import signal_of
from scanseg.readers.tiff._facts import (
    Facts,
    calibrated,
    dictionary,
    from_resolution,
    tag_value,
    xml_root,
)
from scanseg.readers.units import (
    length_nm,
    pixel_size_nm,
    time_s,
)

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["digital_micrograph", "fei", "jeol", "sis", "tvips", "zeiss"]

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


def fei(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """FEI/Thermo Fisher SEM and Velox exports: metres, and the rows of the image proper.

    The pictures of the navigation camera have no scan, but a field of view.
    """
    sections = dictionary(tag_value(page, FEI_SFEG) or tag_value(page, FEI_HELIOS))
    scan = dictionary(sections.get("Scan"))
    image = dictionary(sections.get("Image"))
    camera = dictionary(sections.get("IRBeam"))
    detector = dictionary(sections.get("Detectors"))
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
    root = xml_root(tag_value(page, TITAN_XML))
    return "" if root is None else root.findtext("BinaryResult/Detector") or ""


def zeiss(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """Zeiss SEM: ``ap_pixel_size`` is that of a frame 1024 pixels wide (checked on real files).

    Some versions of the program leave the named entries out; the fourth of the unnamed numbers is
    the same size in metres.
    """
    entries = dictionary(tag_value(page, CZ_SEM))
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


def jeol(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """JEOL SightX: the resolution tags hold the camera's pixel, the XML what it was magnified by.

    A diffraction pattern has a camera length L instead: a pixel p is p / (L λ).
    """
    report = (
        xml_root(page.description.replace("\x01", "")) if tag_value(page, MAKE) == JEOL else None
    )
    optics = None if report is None else report.find("ImageFormingSystem")
    camera = from_resolution(page)
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


def tvips(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """TVIPS EM-MENU: nanometres in the second version of its header, else pixels a centimetre."""
    entries = dictionary(tag_value(page, TVIPS))
    if not entries:
        return Facts()
    if entries.get("TemMode") == TVIPS_DIFFRACTION:
        return Facts(source="tvips", reciprocal=True)
    if "PixelSizeX" in entries:
        return Facts(pixel_size_nm(entries["PixelSizeY"], entries["PixelSizeX"], "nm"), "tvips")
    return Facts(from_resolution(page, unit="cm"), "tvips")


def sis(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """Olympus Soft Imaging Solutions: metres, in the tags of the data page.

    Page 0 is a coloured preview there, and ``TiffFile.sis_metadata`` looks at that one only.
    """
    entries = dictionary(tag_value(page, SIS_TAG))
    return Facts(pixel_size_nm(entries.get("pixelsizey"), entries.get("pixelsizex"), "m"), "sis")


def digital_micrograph(tif: TiffFile, page: TiffPage, number: int) -> Facts:
    """Gatan's TIFF export, and hyperspy's, which uses the same tags."""
    units = tag_value(page, DM_UNIT_Y), tag_value(page, DM_UNIT_X)
    scales = tag_value(page, DM_SCALE_Y), tag_value(page, DM_SCALE_X)
    step_s = time_s(tag_value(page, DM_SCALE_Z), tag_value(page, DM_UNIT_Z))
    return calibrated(scales, units, "digitalmicrograph", step_s)
