"""DigitalMicrograph's tags: what is sound passes, what would take for ever is refused at once."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from scanseg.errors import Truncated
from scanseg.readers.em._dm_tags import check_dm_tags


def _tag(version: int, name: bytes, facts: list[int], value: bytes) -> bytes:
    length = ">Q" if version == 4 else ">I"
    size = struct.pack(">Q", 0) if version == 4 else b""
    described = b"".join(struct.pack(length, each) for each in (len(facts), *facts))
    return struct.pack(">BH", 21, len(name)) + name + size + b"%%%%" + described + value


def _file(version: int, *tags: bytes) -> bytes:
    """Put tags into a group of the root group."""
    length = ">Q" if version == 4 else ">I"
    size = struct.pack(">Q", 0) if version == 4 else b""
    inner = b"\0\0" + struct.pack(length, len(tags)) + b"".join(tags)
    group = struct.pack(">BH", 20, 4) + b"list" + size + inner
    head = struct.pack(">I", version) + struct.pack(length, 0) + struct.pack(">I", 1)
    return head + b"\0\0" + struct.pack(length, 1) + group


NUMBER = ([3], bytes(4))
ARRAY = ([20, 4, 6], bytes(12))
STRUCTS = ([20, 15, 0, 2, 0, 3, 0, 7, 5], bytes(5 * 12))
TEXT = ([18, 7], b"natural")


@pytest.mark.parametrize("version", [3, 4])
def test_sound_tags_pass(tmp_path: Path, version: int) -> None:
    tags = [_tag(version, b"tag", *each) for each in (NUMBER, ARRAY, STRUCTS, TEXT)]
    (tmp_path / "scan.dm").write_bytes(_file(version, *tags))
    check_dm_tags(tmp_path / "scan.dm")


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ([15, 0, 8_000_000, 0, 3], "a struct of 8000000 fields"),
        ([20, 15, 0, 0, 2**31], "empty elements"),
        ([20, 4, 2**31], "beyond the end"),
        ([18, 2**31], "a text of"),
        ([77], "type 77"),
        ([3, 3], "another length"),
    ],
)
def test_lengths_that_contradict_are_refused(
    tmp_path: Path, version: int, facts: list[int], says: str
) -> None:
    (tmp_path / "scan.dm").write_bytes(_file(version, _tag(version, b"tag", facts, bytes(40))))
    start = time.perf_counter()
    with pytest.raises(Truncated, match=says):
        check_dm_tags(tmp_path / "scan.dm")
    assert time.perf_counter() - start < 1


def test_groups_nested_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "scan.dm3").write_bytes(
        struct.pack(">III", 3, 0, 1) + (b"\0\0" + struct.pack(">IBH", 1, 20, 0)) * 5000
    )
    with pytest.raises(Truncated, match="nested"):
        check_dm_tags(tmp_path / "scan.dm3")


@pytest.mark.parametrize("n_bytes", [4, 13, 40])
def test_a_cut_file_is_refused(tmp_path: Path, n_bytes: int) -> None:
    (tmp_path / "scan.dm3").write_bytes(_file(3, _tag(3, b"tag", *ARRAY))[:n_bytes])
    with pytest.raises(Truncated):
        check_dm_tags(tmp_path / "scan.dm3")
