"""Nanosurf scans (.nid): sections of settings, then integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scanseg.errors import Unsupported
from scanseg.readers._channel import Channel
from scanseg.readers._registry import reads
from scanseg.readers.probe._channels import probe_channel, told_apart
from scanseg.readers.probe._headers import header_before, lines_of, number
from scanseg.readers.probe._planes import stored_plane, unfinished_rows
from scanseg.readers.units import pixel_size_nm

__all__ = ["read_nid"]

FORMAT = "Nanosurf"
DATA_START = b"#!"
MOST_GROUPS = 64
BYTE_ORDERS = {"Intel": "<", "Motorola": ">"}
KINDS = {"Signed": "i", "Unsigned": "u"}

Section = Mapping[str, str]


@reads(FORMAT, ".nid", starts_with=[b"[DataSet]"])
def read_nid(path: Path) -> Sequence[Channel]:
    """Read the channels of all groups; they lie in the file in the order of their numbers."""
    sections, start = _header(path)
    data_set = sections["DataSet"]
    channels = []
    for group in range(min(int(number(data_set["GroupCount"])), MOST_GROUPS)):
        for index in range(min(int(number(data_set.get(f"Gr{group}-Count"), 0.0)), MOST_GROUPS)):
            name = data_set.get(f"Gr{group}-Ch{index}")
            if name is None:
                continue
            section = sections[name]
            n_bytes = _points(section) * _lines(section) * (_bits(section, path) // 8)
            if _lines(section) > 1:
                channels.append(_channel(path, section, start))
            start += n_bytes
    return told_apart(channels)


def _header(path: Path) -> tuple[dict[str, dict[str, str]], int]:
    """Sections by their names, and the first byte of the data."""
    header, start = header_before(path, FORMAT, DATA_START)
    sections: dict[str, dict[str, str]] = {}
    entries: dict[str, str] = {}
    for line in lines_of(header.decode("utf-8", "replace")):
        if line.startswith("[") and line.endswith("]"):
            entries = sections.setdefault(line[1:-1], {})
        else:
            key, _, value = line.partition("=")
            entries.setdefault(key, value.strip())
    return sections, start


def _points(section: Section) -> int:
    return int(number(section["Points"]))


def _lines(section: Section) -> int:
    return int(number(section["Lines"]))


def _bits(section: Section, path: Path) -> int:
    bits = int(number(section["SaveBits"]))
    if section.get("SaveMode") != "Binary" or bits not in (8, 16, 32):
        raise Unsupported(
            path,
            f"its values are stored as {section.get('SaveMode')} of {bits} bits.",
            format=FORMAT,
            hint="Export it as Gwyddion file.",
        )
    return bits


def _channel(path: Path, section: Section, offset: int) -> Channel:
    bits = _bits(section, path)
    shape = _lines(section), _points(section)
    kind = KINDS[section.get("SaveSign", "Signed")]
    plane = stored_plane(
        path,
        FORMAT,
        offset=offset,
        dtype=f"{BYTE_ORDERS[section.get('SaveOrder', 'Intel')]}{kind}{bits // 8}",
        shape=shape,
    )
    # the counts span the range of the axis
    per_count = number(section["Dim2Range"]) / 2**bits
    lowest = number(section["Dim2Min"]) + (per_count * 2 ** (bits - 1) if kind == "i" else 0.0)
    frame = section.get("Frame", "")
    return probe_channel(
        section["Dim2Name"],
        shape,
        lambda: plane()[::-1] * per_count + lowest,  # the first line stored is the lowest
        unit={"°": "deg"}.get(section.get("Dim2Unit", ""), section.get("Dim2Unit", "")),
        pixel_size_nm=pixel_size_nm(
            number(section["Dim1Range"]) / shape[0],
            number(section["Dim0Range"]) / shape[1],
            section.get("Dim1Unit", ""),
            section.get("Dim0Unit", ""),
        ),
        direction="retrace" if "backward" in frame.lower() else "trace",
        line="nap" if "2nd" in frame.lower() else "main",
        bytes_per_pixel=8,
        metadata={"group": frame},
        warnings=unfinished_rows(plane()),
    )
