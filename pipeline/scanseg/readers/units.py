"""Lengths and times as files write them, in nanometres and seconds."""

from __future__ import annotations

import math
import re

__all__ = [
    "is_reciprocal",
    "is_spectral",
    "length_nm",
    "per_nm",
    "pixel_size_nm",
    "reciprocal_facts",
    "time_s",
]

_NM = {
    "fm": 1e-6,
    "pm": 1e-3,
    "a": 0.1,
    "å": 0.1,
    "ang": 0.1,
    "angstrom": 0.1,
    "angstroms": 0.1,
    "ångström": 0.1,
    "nm": 1.0,
    "n_m": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "µm": 1e3,
    "um": 1e3,
    "micron": 1e3,
    "microns": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "mm": 1e6,
    "millimeter": 1e6,
    "cm": 1e7,
    "centimeter": 1e7,
    "inch": 2.54e7,
    "in": 2.54e7,
    "m": 1e9,
    "meter": 1e9,
    "metre": 1e9,
}

_SECONDS = {
    "fs": 1e-15, "ps": 1e-12, "ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3,
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "min": 60.0, "h": 3600.0,
}  # fmt: skip


def length_nm(value: object, unit: object) -> float | None:
    r"""Bring a length to nanometres.

    Parameters
    ----------
    value
        A positive number, or text that holds one.
    unit
        As the file writes it: ``nm``, ``µm`` with either of its two characters or escaped as
        ``\u00B5m``, ``micron``, ``Å``, ``[n_m]``, ...

    Returns
    -------
    length
        None for a missing, reciprocal or unknown unit, and for a value that is not a positive
        number: an unknown calibration is never 1.0.

    Examples
    --------
    >>> length_nm("12.5", "pm"), length_nm(2, "1/nm"), length_nm(1.0, "")
    (0.0125, None, None)
    """
    factor = _NM.get(_cleaned(unit))
    number = _number(value)
    if factor is None or number is None or number <= 0:
        return None
    return number * factor


def pixel_size_nm(
    along_y: object, along_x: object, unit_y: object, unit_x: object | None = None
) -> tuple[float, float] | None:
    """(y, x) in nanometres, or None where one of the two is not known."""
    y_nm = length_nm(along_y, unit_y)
    x_nm = length_nm(along_x, unit_y if unit_x is None else unit_x)
    return None if y_nm is None or x_nm is None else (y_nm, x_nm)


def reciprocal_facts(
    along_y: object, along_x: object, unit_y: object, unit_x: object | None = None
) -> dict[str, tuple[float, float]]:
    """What a channel notes of a diffraction pattern: its pixel size in 1/nm, (y, x), if known.

    Examples
    --------
    >>> reciprocal_facts(2, 4, "1/µm"), reciprocal_facts(2, 4, "µm")
    ({'pixel_size_per_nm': (0.002, 0.004)}, {})
    """
    per_y, per_x = per_nm(along_y, unit_y), per_nm(along_x, unit_y if unit_x is None else unit_x)
    return {} if per_y is None or per_x is None else {"pixel_size_per_nm": (per_y, per_x)}


def is_reciprocal(unit: object) -> bool:
    """Whether a unit is one over something: that of a diffraction pattern or Fourier transform.

    Examples
    --------
    >>> is_reciprocal("1 / nm"), is_reciprocal("nm^-1"), is_reciprocal("nm")
    (True, True, False)
    """
    return _inverse_of(unit) is not None


def is_spectral(unit: object) -> bool:
    """Whether a unit is an energy: that of a spectrum.

    Examples
    --------
    >>> is_spectral("eV"), is_spectral("[keV]"), is_spectral("nm")
    (True, True, False)
    """
    return re.fullmatch(r"[km]?ev", _cleaned(unit)) is not None


def per_nm(value: object, unit: object) -> float | None:
    """Bring a reciprocal length to 1/nm; None where unit or value are not known.

    Examples
    --------
    >>> per_nm(0.5, "1/nm"), per_nm(20, "1 / µm"), per_nm(2, "mrad")
    (0.5, 0.02, None)
    """
    inverse = _inverse_of(unit)
    length = None if inverse is None else length_nm(1, inverse)
    number = _number(value)
    return None if length is None or number is None or number <= 0 else number / length


def _inverse_of(unit: object) -> str | None:
    text = _cleaned(unit)
    found = re.match(r"1\s*/\s*(.*)$", text) or re.match(r"(.*?)\s*(?:\^?\s*-\s*1|⁻¹)$", text)
    return found[1] if found else None


def time_s(value: object, unit: object = "s") -> float | None:
    """Bring a duration to seconds; None where unit or value are not known.

    Examples
    --------
    >>> time_s(20, "ms"), time_s(1.0, "frame")
    (0.02, None)
    """
    factor = _SECONDS.get(_cleaned(unit))
    number = _number(value)
    if factor is None or number is None or number <= 0:
        return None
    return number * factor


def _cleaned(unit: object) -> str:
    text = unit.decode("utf-8", "replace") if isinstance(unit, bytes) else str(unit)
    # tifffile leaves ImageJ's escape for the micro sign as it is in the file
    text = re.sub(r"\\u00b5|μ|~(?=m\b)", "µ", text, flags=re.IGNORECASE)
    text = text.replace("Å", "å").replace("\N{ANGSTROM SIGN}", "å")
    return text.strip().strip("[]()").strip().lower()


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
