"""The output folder: made, recognised, locked against a second run, and left clean."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import scanseg
from scanseg.errors import ConfigError, MachineError
from scanseg.runs.manifest import MANIFEST, Manifest
from scanseg.runs.outputs import remove_outputs

__all__ = ["RunFolder", "is_run_folder"]

RECORD = "run.json"
REPORT = "report.html"
# All temporary files are here: on the same file system, and gone with one call.
SCRATCH = ".scanseg-partial"
LOCK = ".scanseg-lock"
TABLES = ("images.csv", "failures.csv", "atoms.csv")


class RunFolder:
    """An output folder while a run uses it.

    Parameters
    ----------
    path
        Made if it does not exist.
    fresh
        Whether to remove the results of earlier runs first.

    Raises
    ------
    ConfigError
        When the folder holds something that no run of ours has written, or another run uses it.
    MachineError
        When it cannot be written to.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self.path = Path(os.path.abspath(path))
        self._refuse_foreign()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.path / LOCK)
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir()
            if fresh:
                self._clear()
            # Marks the folder as ours before anything else is in it.
            if not (self.path / RECORD).exists():
                self.write_json(RECORD, {"scanseg": scanseg.__version__, "finished": None})
        except OSError as error:
            raise MachineError(
                f"The output folder {self.path} cannot be written to ({error.strerror}).",
                hint="Choose another with -o, or correct its permissions.",
            ) from error
        self.manifest = Manifest(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        (self.path / LOCK).unlink(missing_ok=True)
        self._lock.close()

    @property
    def scratch(self) -> Path:
        """Folder of temporary files."""
        return self.path / SCRATCH

    def is_unfinished(self) -> bool:
        """Whether no run has come to its end here."""
        return self.record().get("finished") is None

    def record(self) -> dict[str, Any]:
        """What ``run.json`` holds."""
        record: dict[str, Any] = json.loads((self.path / RECORD).read_text(encoding="utf-8"))
        return record

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a file at once or not at all."""
        partial = self.scratch / name
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, self.path / name)

    def _refuse_foreign(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{self.path} is a file.", hint="Name a folder with -o.")
        if not self.path.exists() or is_run_folder(self.path):
            return
        others = sorted(each.name for each in self.path.iterdir() if each.name[0] != ".")
        if others:
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            raise ConfigError(
                f"{self.path} holds files that scanseg has not written "
                f"({', '.join(others[:3])}{more}), and results would mix with them.",
                hint="Name an empty or a new folder with -o.",
            )

    def _clear(self) -> None:
        for entry in Manifest(self.path).entries():
            remove_outputs(self.path / entry.name)
            parent = (self.path / entry.name).parent
            while parent != self.path and parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
                parent = parent.parent
        for name in (MANIFEST, RECORD, REPORT, "run.log", *TABLES):
            (self.path / name).unlink(missing_ok=True)


def is_run_folder(folder: Path) -> bool:
    """Whether a run has written to a folder."""
    try:
        return "scanseg" in json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _lock(path: Path) -> IO[str]:
    file = path.open("w", encoding="utf-8")
    try:
        import fcntl
    except ImportError:  # Windows has no such locks: there two runs are told apart by the user
        return file
    try:
        # The system drops the lock when the process ends, however it ends.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ConfigError(
            f"Another run is writing to {path.parent}.",
            hint="Wait until it has finished, or name another folder with -o.",
        ) from None
    except OSError:
        pass  # some network file systems know no locks
    return file
