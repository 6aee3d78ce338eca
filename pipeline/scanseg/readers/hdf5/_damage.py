"""Damage at which the HDF5 library never returns or takes gigabytes, found before it opens."""

from __future__ import annotations

import mmap
import re
import struct
import subprocess
import sys
from pathlib import Path

from scanseg.errors import Truncated

__all__ = ["refuse_endless_heap"]

FORMAT = "HDF5"
HEAP_SIGNATURE = b"GCOL\x01\0\0\0"
SEARCHED_BYTES = 256 * 2**20
# The attribute of one text: type (text of any length, of 8-bit characters), shape (none), length.
TEXT_ATTRIBUTE = re.compile(
    rb"\x19\x01..\x10\0\0\0\x10...\x01\0\0\0\0\0\x08\0(?:\0{4})?(?:\x01\0{7}|\x02\0{3})(....)",
    re.DOTALL,
)
OPEN_S = 20.0
READ_NAMES = """
import sys, h5py
def visit(name, node):
    for key in node.attrs:
        node.attrs[key]
    if isinstance(node, h5py.Dataset) and node.dtype.kind == "O" and node.size < 1e6:
        node[()]
with h5py.File(sys.argv[1], "r") as file:
    visit("/", file)
    file.visititems(visit)
"""


def refuse_endless_heap(path: Path) -> None:
    """Look for damage at which the HDF5 library (2.0 and before) never returns, or takes GBs.

    Text lies in heaps of objects, each with its size. Free space of size 0 sends the library round
    for ever, inside C, where no time limit reaches (seen after 40 zeroed bytes of a Velox file);
    for an attribute it sets aside as much memory as the length before its text says (seen: 1.1 GB
    for a file of 30 kB). Both are found by their bytes; files too large to search are opened by
    another process first.
    """
    size = path.stat().st_size
    if size > SEARCHED_BYTES:
        _refuse_what_does_not_open(path)
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents:
        start = contents.find(HEAP_SIGNATURE)
        while start >= 0:
            _walk_heap(contents, start, size, path)
            start = contents.find(HEAP_SIGNATURE, start + 1)
        for found in TEXT_ATTRIBUTE.finditer(contents):
            if int.from_bytes(found[1], "little") > size:
                raise _damaged_text(path, found.start(1))


def _refuse_what_does_not_open(path: Path) -> None:
    """Let another process read all names, attributes and texts, and give it a time limit."""
    command = [sys.executable, "-c", READ_NAMES, str(path)]
    try:
        done = subprocess.run(command, timeout=OPEN_S, capture_output=True, check=False)
    except subprocess.TimeoutExpired:
        died = True
    else:
        died = done.returncode < 0  # killed by a signal; an error comes again, with its reason
    if died:
        raise Truncated(
            path,
            f"the HDF5 library stumbles over its names and texts, or takes more than {OPEN_S:g} s.",
            format=FORMAT,
            hint="Copy or export the file again.",
        )


def _damaged_text(path: Path, position: int) -> Truncated:
    return Truncated(
        path,
        f"its table of texts is damaged at byte {position}.",
        format=FORMAT,
        hint="Copy or export the file again.",
    )


def _walk_heap(contents: mmap.mmap, start: int, file_bytes: int, path: Path) -> None:
    header = struct.Struct("<HHIQ")  # number, references, reserved, size of an object
    (n_bytes,) = struct.unpack_from("<Q", contents[start + 8 : start + 16].ljust(8, b"\0"))
    position, end = start + 16, min(start + n_bytes, file_bytes)
    while position + header.size <= end:
        number, _, _, size = header.unpack_from(contents, position)
        # free space, number 0, counts its header; objects do not, and are padded to 8 bytes
        step = size if number == 0 else header.size + -(-size // 8) * 8
        if step < header.size:
            raise _damaged_text(path, position)
        position += step
