"""Scanning probe formats: known by their bytes, and refused until each has a reader of its own.

Their values are silently wrong in most libraries, so none is guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scanseg.errors import Unsupported
from scanseg.readers._channel import Channel
from scanseg.readers._hdf5 import attribute, layout
from scanseg.readers._registry import reads

if TYPE_CHECKING:
    import h5py

__all__: list[str] = []

IGOR_HEADER_BYTES = {2: 126, 5: 384}  # the part of the file that its checksum covers

HINT = (
    "Export the channel as TIFF with 32 bits from the microscope's program or from Gwyddion, and "
    "give the pixel size with --pixel-size-nm."
)


def _refuses(format: str) -> Callable[[Path], Sequence[Channel]]:
    def refuse(path: Path) -> Sequence[Channel]:
        raise Unsupported(
            path, "this scanning probe format is not read yet.", format=format, hint=HINT
        )

    return refuse


def _is_igor(header: bytes) -> bool:
    """Igor binary waves: version 2 or 5, and a header whose 16-bit words add up to 0."""
    for dtype in ("<i2", ">i2"):
        version = np.frombuffer(header[:2].ljust(2), dtype)[0]
        n_bytes = IGOR_HEADER_BYTES.get(int(version))
        if n_bytes is not None and len(header) >= n_bytes:
            words = np.frombuffer(header[:n_bytes], dtype).astype(int)
            if words.sum() % 65536 == 0:
                return True
    return False


for _format, _suffixes, _starts in (
    ("Gwyddion", (".gwy",), (b"GWYP", b"GWYO")),
    ("Gwyddion Simple Field", (".gsf",), (b"Gwyddion Simple Field",)),
    (
        "Bruker Nanoscope",
        (".spm", ".di", ".000", ".001"),
        (b"\\*File list", b"\\*EC File list", b"\\*Force file list"),
    ),
    ("Nanonis", (".sxm",), (b":NANONIS_VERSION:",)),
    ("Nanonis grid", (".3ds",), (b"Grid dim=",)),
    ("NT-MDT", (".mdt",), (b"\x01\xb0\x93\xff",)),
    ("Nanosurf", (".nid",), (b"[DataSet]",)),
    ("Molecular Imaging", (".mi",), (b"fileType",)),
    ("WSxM", (".top", ".stp"), (b"WSxM file copyright",)),
    ("Digital Surf", (".sur", ".pro"), (b"DSCOMPRESSED", b"DIGITAL SURF")),
):
    reads(_format, *_suffixes, starts_with=_starts, readable=False)(_refuses(_format))

reads("Igor binary wave", ".ibw", recognises=_is_igor, readable=False)(_refuses("Igor binary wave"))


def _is_jpk(file: h5py.File) -> bool:
    return str(attribute(file, "file-format-info", "")).startswith("JPK")


@layout("JPK HDF5", recognises=_is_jpk)
def _refuse_jpk(file: h5py.File, path: Path) -> Sequence[Channel]:
    return _refuses("JPK HDF5")(path)


@layout("TopoStats", recognises=lambda file: "topostats_file_version" in file)
def _refuse_topostats(file: h5py.File, path: Path) -> Sequence[Channel]:
    return _refuses("TopoStats")(path)
