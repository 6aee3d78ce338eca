"""Tags of DigitalMicrograph files: a walk that finds damage before the file is parsed.

RosettaSciIO takes the lengths in a tag as they are: 200 damaged bytes of a real file make it gather
the fields of a struct for minutes, in time that grows with their square.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from scanseg.errors import Truncated

__all__ = ["check_dm_tags"]

FORMAT = "DigitalMicrograph"
GROUP, DATA = 20, 21
STRUCT, STRING, ARRAY = 15, 18, 20
# bytes of a number, by its type
SIZES = {2: 2, 3: 4, 4: 2, 5: 4, 6: 4, 7: 8, 8: 1, 9: 1, 10: 1, 11: 8, 12: 8}
DEEPEST = 64
LONGEST_STRING = 2**16  # texts are arrays of 16-bit characters; this type is one byte a character
MOST_FIELDS = 1000


def check_dm_tags(path: Path) -> None:
    """Walk through all tags, and refuse a file whose lengths contradict each other or its end.

    Raises
    ------
    Truncated
        With the byte at which the damage is.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents:
        walk = _Walk(contents)
        try:
            walk.file()
        except (ValueError, struct.error) as error:
            raise Truncated(
                path,
                f"its tags are damaged at byte {walk.position} ({error}).",
                format=FORMAT,
                hint="Copy or export the file again.",
            ) from error


class _Walk:
    """Position in the file, and how wide its lengths are: four bytes, from version 4 on eight."""

    def __init__(self, contents: mmap.mmap) -> None:
        self._contents = contents
        self.position = 0
        self._length = ">I"
        self._is_dm4 = False

    def file(self) -> None:
        self._is_dm4 = self._number(">I") == 4
        self._length = ">Q" if self._is_dm4 else ">I"
        self._number(self._length)  # size of the file
        self._number(">I")  # byte order of the values
        self._group(0)

    def _group(self, depth: int) -> None:
        if depth > DEEPEST:
            raise ValueError(f"groups are nested deeper than {DEEPEST}")
        self._skip(2)  # whether it is sorted, and open
        for _ in range(self._number(self._length)):
            kind = self._number(">B")
            self._skip(self._number(">H"))  # name
            if self._is_dm4:
                self._number(">Q")  # bytes of the tag
            if kind == GROUP:
                self._group(depth + 1)
            elif kind == DATA:
                self._data()
            else:
                raise ValueError(f"a tag of kind {kind}")

    def _data(self) -> None:
        if self._contents[self.position : self.position + 4] != b"%%%%":
            raise ValueError("a value without its mark")
        self._skip(4)
        n_facts = self._number(self._length)
        if not 1 <= n_facts <= 2 * MOST_FIELDS:
            raise ValueError(f"a value described by {n_facts} numbers")
        start = self.position
        n_bytes = self._n_bytes(self._number(self._length))
        width = struct.calcsize(self._length)
        if self.position - start != n_facts * width:
            raise ValueError(f"a description of {n_facts} numbers that has another length")
        self._skip(n_bytes)

    def _n_bytes(self, kind: int) -> int:
        """Bytes of a value, from the numbers that describe it."""
        if kind == STRUCT:
            return self._struct_bytes()
        if kind == STRING:
            length = self._number(self._length)
            if length > LONGEST_STRING:
                raise ValueError(f"a text of {length} bytes")
            return length
        if kind == ARRAY:
            per_element = self._n_bytes(self._number(self._length))
            count = self._number(self._length)
            if count and not per_element:
                raise ValueError(f"an array of {count} empty elements")
            return count * per_element
        if kind not in SIZES:
            raise ValueError(f"a value of type {kind}")
        return SIZES[kind]

    def _struct_bytes(self) -> int:
        self._number(self._length)  # length of a name
        n_fields = self._number(self._length)
        if n_fields > MOST_FIELDS:
            raise ValueError(f"a struct of {n_fields} fields")
        total = 0
        for _ in range(n_fields):
            self._number(self._length)  # length of a name
            total += self._n_bytes(self._number(self._length))
        return total

    def _number(self, layout: str) -> int:
        (value,) = struct.unpack_from(layout, self._contents, self.position)
        self.position += struct.calcsize(layout)
        return int(value)

    def _skip(self, n_bytes: int) -> None:
        if self.position + n_bytes > len(self._contents):
            raise ValueError(f"{n_bytes} bytes that reach beyond the end")
        self.position += n_bytes
