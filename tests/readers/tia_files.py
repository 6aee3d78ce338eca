"""Writes TIA's .ser files by their published layout."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CODES = {"u1": 1, "u2": 2, "u4": 3, "i1": 4, "i2": 5, "i4": 6, "f4": 7, "f8": 8, "c8": 9}


def write_ser(
    path: Path,
    frames: NDArray[np.generic],
    *,
    step_m: tuple[float, float] = (2e-11, 3e-11),
    long_offsets: bool = True,
    n_declared: int | None = None,
    unit: bytes = b"",
    kind: int = 0x4122,
) -> None:
    """Write shape (n, height, width), rows bottom-up; ``step_m`` is along (y, x)."""
    n, height, width = frames.shape
    n_declared = n if n_declared is None else n_declared
    offset = "Q" if long_offsets else "I"
    version = 0x0220 if long_offsets else 0x0210
    label = b"Number"
    dimension = struct.pack("<IddII", n_declared, 0.0, 1.0, 0, len(label)) + label
    dimension += struct.pack("<I", len(unit)) + unit
    first = struct.calcsize(f"<HHHIIII{offset}I") + len(dimension)
    head = struct.pack(
        f"<HHHIIII{offset}I", 0x4949, 0x0197, version, kind, 0x4152, n_declared, n, first, 1
    )
    table = struct.calcsize(f"<{offset}") * n_declared
    code = CODES[frames.dtype.str[1:]]
    element = struct.pack(
        "<ddiddiHii", 0.0, step_m[1], 0, 0.0, step_m[0], 0, code, width, height
    )  # fmt: skip
    size = len(element) + frames[0].nbytes
    starts = [first + table + index * size for index in range(n)] + [0] * (n_declared - n)
    body = b"".join(element + frame[::-1].tobytes() for frame in frames)
    path.write_bytes(head + dimension + struct.pack(f"<{n_declared}{offset}", *starts) + body)
