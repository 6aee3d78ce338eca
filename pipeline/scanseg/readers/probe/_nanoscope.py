"""Bruker (Veeco, Digital Instruments) Nanoscope files: a text header, then integers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from scanseg.errors import Unsupported
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers.probe._channels import probe_channel, told_apart
from scanseg.readers.probe._headers import header_before, lines_of, number
from scanseg.readers.probe._planes import stored_plane, unfinished_rows
from scanseg.readers.units import pixel_size_nm

__all__ = ["read_nanoscope"]

FORMAT = "Bruker Nanoscope"
HEADER_END = b"\\*File list end"
STARTS = (b"\\*File list", b"\\*EC File list", b"\\*Force file list")
LINES = {"main": "main", "interleave": "nap", "lift": "nap"}
UNITS = {"º": "deg", "°": "deg", "Deg": "deg", "~m": "um", "~V": "uV"}
PREFIXES = {"m": 1e-3, "u": 1e-6, "~": 1e-6, "n": 1e-9, "p": 1e-12, "k": 1e3}

Section = Mapping[str, str]


@reads(FORMAT, ".spm", ".di", ".000", ".001", ".002", ".003", starts_with=STARTS)
def read_nanoscope(path: Path) -> Sequence[Channel]:
    """Read the images of a scan; a file of force curves holds none."""
    header, _ = header_before(path, FORMAT, HEADER_END)
    sections = _sections(header.decode("latin-1"))
    images = [entries for title, entries in sections if title.lower() == "ciao image list"]
    common = {key: text for title, entries in sections for key, text in entries.items()
              if "image list" not in title.lower()}  # fmt: skip
    return told_apart([_channel(path, image, common) for image in images])


def _sections(header: str) -> list[tuple[str, dict[str, str]]]:
    r"""Take the header apart: ``\*title``, then lines ``\key: value``.

    Keys differ in case between versions ("Scan size", "Scan Size"), and those of the newer kind
    carry a number that means nothing here: ``\@2:Z scale``.
    """
    sections: list[tuple[str, dict[str, str]]] = []
    for line in lines_of(header):
        if line.startswith("\\*"):
            sections.append((line[2:].strip(), {}))
        elif line.startswith("\\") and sections:
            plain = re.sub(r"^\\(@(\d+:)?)?", "", line)
            key, _, value = plain.partition(":")
            sections[-1][1].setdefault(key.strip().lower(), value.strip())
    return sections


def _channel(path: Path, image: Section, common: Section) -> Channel:
    if "z scale" not in image or "image data" not in image:
        raise Unsupported(
            path,
            "it was written by a Nanoscope program before version 4.3.",
            format=FORMAT,
            hint="Open it in a newer program and save it again.",
        )
    width = int(number(image["samps/line"]))
    height = int(number(image["number of lines"]))
    n_bytes = _bytes_per_pixel(image, height, width)
    plane = stored_plane(
        path,
        FORMAT,
        offset=int(number(image["data offset"])),
        dtype=f"<i{n_bytes}",
        shape=(height, width),
    )
    per_count, unit = _scale(image["z scale"], common, n_bytes)
    return probe_channel(
        _quoted(image["image data"]),
        (height, width),
        lambda: plane()[::-1] * per_count,  # the last line stored is on top
        unit=unit,
        pixel_size_nm=_pixel_size_nm(image, common),
        mode=_quoted(common.get("microscopelist", "")),
        direction=image.get("line direction", "").lower(),
        line=LINES.get(image.get("scan line", "").lower(), "main"),
        bytes_per_pixel=8,
        warnings=unfinished_rows(plane()),
    )


def _bytes_per_pixel(image: Section, height: int, width: int) -> int:
    """Bytes of a number. Programs from version 9.2 write four and go on saying two."""
    length = int(number(image["data length"]))
    for n_bytes in (2, 4):
        if height * width * n_bytes == length:
            return n_bytes
    raise ValueError(f"{height} x {width} pixels do not fill {length} bytes")


def _scale(text: str, common: Section, n_bytes: int) -> tuple[float, str]:
    """Value of one count, and its unit.

    ``V [Sens. Zsens] (0.005035400 V/LSB) 2.910461 V`` states the range of all counts in volts, and
    names the entry that says what a volt is: ``Sens. Zsens: V 20.82646 nm/V``.
    """
    found = re.match(r"V\s*(?:\[(?P<sens>.*?)\])?\s*(?:\(.*?\))?\s*(?P<range>.*)", text)
    if found is None:
        raise ValueError(f"a scale without a number: {text[:60]!r}")
    number_and_unit = found["range"].split()
    per_count = number(found["range"]) / 2 ** (8 * n_bytes)
    unit = number_and_unit[1] if len(number_and_unit) > 1 else ""
    sensitivity = common.get((found["sens"] or "").lower(), "").removeprefix("V").split()
    numerator, slash, denominator = "".join(sensitivity[1:]).partition("/")
    if slash and unit.endswith(denominator):
        prefix = unit.removesuffix(denominator)  # a range in mV of a signal in nm/V
        per_count *= number(sensitivity[0]) * PREFIXES.get(prefix, 1.0)
        unit = numerator
    return per_count, UNITS.get(unit, unit)


def _quoted(text: str) -> str:
    r"""Name of ``S [Height] "Height Sensor"``: the part in quotes, else that in brackets."""
    found = re.search(r'"([^"]+)"', text) or re.search(r"\[([^]]+)\]", text)
    return found[1].strip() if found else ""


def _pixel_size_nm(image: Section, common: Section) -> tuple[float, float] | None:
    """From the size of the image, or that of the scan.

    It is written ``500 250 nm`` along x and y, or as one number along x; then the aspect ratio,
    ``2:1``, says how much shorter y is.
    """
    text = image.get("scan size") or common.get("scan size", "")
    found = re.match(r"(\S+)\s+(?:(\S+)\s+)?(\S+)$", text.strip())
    if found is None:
        return None
    along_x, unit = number(found[1]), found[3]
    wide, _, high = image.get("aspect ratio", "1:1").partition(":")
    along_y = number(found[2]) if found[2] else along_x * number(high, 1.0) / number(wide, 1.0)
    height, width = number(image["number of lines"]), number(image["samps/line"])
    return pixel_size_nm(along_y / height, along_x / width, unit)
