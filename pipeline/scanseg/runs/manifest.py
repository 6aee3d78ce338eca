"""What was done to every image: one line each, appended the moment it is true."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

__all__ = ["Entry", "Failure", "Manifest", "content_checksum", "result_key"]

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an image, or a frame of it, has no result.

    Parameters
    ----------
    stage
        read, check, predict, find or write.
    error
        Name of the error.
    reason
        What was found and why it matters.
    hint
        What to do now.
    """

    stage: str
    error: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the manifest.

    Parameters
    ----------
    name, path, sha256
        The image: its name in tables, the file, the checksum of its contents.
    key
        Checksum of contents, model and settings: the same key gives the same results.
    status
        ``done`` if at least one frame has a result.
    task
        Kind of result, ``atoms`` or ``walls``; empty where there is none.
    failures
        What went wrong; one of the file as a whole, or one a frame.
    n_objects, seconds
        Number of atoms or walls, and the time of reading, network and measuring.
    frames
        Rows of images.csv.
    outputs
        sha256 of every file of the image's folder.
    """

    name: str
    path: str
    sha256: str
    key: str
    status: Literal["done", "failed"]
    error: str = ""
    hint: str = ""
    task: str = "atoms"
    n_objects: int = 0
    seconds: float = 0.0
    failures: list[dict[str, str]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    def is_complete(self, folder: Path) -> bool:
        """Whether every output is there and unchanged."""
        return all(
            (folder / name).is_file() and content_checksum(folder / name) == checksum
            for name, checksum in self.outputs.items()
        )


class Manifest:
    """The manifest of an output folder; of several lines for an image the last one counts.

    Parameters
    ----------
    output
        The output folder.
    part
        Label of the part of the run that writes. Each part has a file of its own,
        ``manifest.jsonl`` is that of the whole; all are read.
    """

    def __init__(self, output: Path, *, part: str = "") -> None:
        self._output = output
        self._path = output / (f"manifest.{part}.jsonl" if part else MANIFEST)
        self._lock = threading.Lock()
        paths = (output / MANIFEST, *self._parts())
        self._entries = {entry.name: entry for path in paths for entry in _read(path)}

    def entry(self, name: str) -> Entry | None:
        """The latest line of an image."""
        return self._entries.get(name)

    def path_of(self, name: str) -> Path | None:
        """The file that has used a name, as ``find_inputs`` asks."""
        entry = self._entries.get(name)
        return Path(entry.path) if entry else None

    def entries(self) -> list[Entry]:
        """The latest line of every image, ordered by name, so that no history shows."""
        return [self._entries[name] for name in sorted(self._entries)]

    def append(self, entry: Entry) -> None:
        """Add a line, and return when it is on the disk."""
        self._write([entry])

    def _write(self, entries: list[Entry]) -> None:
        lines = "".join(json.dumps(asdict(entry), allow_nan=False) + "\n" for entry in entries)
        with self._lock, self._path.open("ab") as file:
            if file.tell() and not self._ends_with_newline():
                file.write(b"\n")  # a run was killed in the middle of its last line
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
            self._entries.update({entry.name: entry for entry in entries})

    def merge(self) -> None:
        """Take the lines of all parts into ``manifest.jsonl``; if cut off, none is lost."""
        for path in self._parts():
            self._write(_read(path))
            path.unlink()

    def _parts(self) -> list[Path]:
        return sorted(self._output.glob("manifest.*-of-*.jsonl"))

    def _ends_with_newline(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def _read(path: Path) -> list[Entry]:
    if not path.exists():
        return []
    known = {each.name for each in fields(Entry)}
    entries = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            values = json.loads(line)
            entries.append(Entry(**{k: v for k, v in values.items() if k in known}))
        except (ValueError, TypeError, AttributeError):
            continue  # half a line: its image counts as not done
    return entries


def content_checksum(path: Path) -> str:
    """sha256 of a file; of a folder, that of the names and checksums of all its files."""
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        parts = [[each.relative_to(path).as_posix(), content_checksum(each)] for each in files]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def result_key(content: str, model: str, settings: dict[str, Any]) -> str:
    """Checksum of all that decides a result: image, model and settings."""
    parts = json.dumps([content, model, settings], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()
