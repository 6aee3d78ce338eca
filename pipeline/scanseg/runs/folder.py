"""The output folder: made, recognised, locked against a second run, and left clean."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import scanseg
from scanseg.errors import ConfigError, MachineError
from scanseg.runs.lock import lock_folder
from scanseg.runs.manifest import MANIFEST, Manifest
from scanseg.runs.outputs import remove_outputs
from scanseg.runs.shards import merge_records
from scanseg.runs.tasks import TABLES

__all__ = ["RECORD", "RunFolder", "is_run_folder", "refuse_foreign"]

RECORD = "run.json"
REPORT = "report.html"
# All temporary files are here: on the same file system, and gone with one call.
SCRATCH = ".scanseg-partial"


class RunFolder:
    """An output folder while a run uses it.

    Parameters
    ----------
    path
        Made if it does not exist.
    fresh
        Whether to remove the results of earlier runs first.
    part
        Label of the part of a run that writes here, beside other parts. The whole run (no label)
        has the folder for itself, and begins by taking together what parts have left.

    Raises
    ------
    ConfigError
        When the folder holds something that no run of ours has written, or another run uses it.
    MachineError
        When it cannot be written to.
    """

    def __init__(self, path: Path, *, fresh: bool = False, part: str = "") -> None:
        self.path = Path(os.path.abspath(path))
        self.part = part
        refuse_foreign(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._locks = lock_folder(self.path, part)
            for scratch in [self.scratch] if part else self.path.glob(f"{SCRATCH}*"):
                shutil.rmtree(scratch, ignore_errors=True)
            self.scratch.mkdir(exist_ok=True)
            if fresh:
                self._clear()
            # Marks the folder as ours before anything else is in it.
            if not (self.path / RECORD).exists():
                self.write_json(RECORD, {"scanseg": scanseg.__version__, "finished": None})
            self.manifest = Manifest(self.path, part=part)
            if not part:
                self._merge_parts()
        except OSError as error:
            raise MachineError(
                f"The output folder {self.path} cannot be written to ({error.strerror}).",
                hint="Choose another with -o, or correct its permissions.",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others write to the folder; closing it twice does nothing."""
        if self._locks:
            shutil.rmtree(self.scratch, ignore_errors=True)
        while self._locks:
            self._locks.pop().release()

    @property
    def scratch(self) -> Path:
        """Folder of temporary files."""
        return self.path / (f"{SCRATCH}.{self.part}" if self.part else SCRATCH)

    @property
    def record_name(self) -> str:
        """Name of the file that says how this run was made."""
        return f"run.{self.part}.json" if self.part else RECORD

    def is_unfinished(self) -> bool:
        """Whether no run has come to its end here."""
        return self.record().get("finished") is None

    def record(self) -> dict[str, Any]:
        """What ``run.json`` holds; for a part, its own file."""
        path = self.path / self.record_name
        return _read_json(path) if path.exists() else {}

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a file at once or not at all."""
        partial = self.scratch / name
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, self.path / name)

    def _merge_parts(self) -> None:
        """Take the manifests and records of parts into those of the whole."""
        self.manifest.merge()
        paths = sorted(self.path.glob("run.*-of-*.json"))
        if paths:
            parts = {path.name.split(".")[1]: _read_json(path) for path in paths}
            self.write_json(RECORD, merge_records(self.record(), parts))
        for path in paths:
            path.unlink()

    def _clear(self) -> None:
        for entry in Manifest(self.path).entries():
            remove_outputs(self.path / entry.name)
            parent = (self.path / entry.name).parent
            while parent != self.path and parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
                parent = parent.parent
        for name in (MANIFEST, RECORD, REPORT, "run.log", "images.csv", "failures.csv", *TABLES):
            (self.path / name).unlink(missing_ok=True)
        for pattern in ("manifest.*-of-*.jsonl", "run.*-of-*.json", "run.*-of-*.log"):
            for path in self.path.glob(pattern):
                path.unlink()


def is_run_folder(folder: Path) -> bool:
    """Whether a run has written to a folder."""
    try:
        return "scanseg" in json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def refuse_foreign(folder: Path) -> None:
    """Refuse to write where files of others are.

    Raises
    ------
    ConfigError
        When the folder is a file, or holds something that no run of ours has written.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file.", hint="Name a folder with -o.")
    if not folder.exists() or is_run_folder(folder):
        return
    others = sorted(each.name for each in folder.iterdir() if each.name[0] != ".")
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise ConfigError(
            f"{folder} holds files that scanseg has not written "
            f"({', '.join(others[:3])}{more}), and results would mix with them.",
            hint="Name an empty or a new folder with -o.",
        )


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
