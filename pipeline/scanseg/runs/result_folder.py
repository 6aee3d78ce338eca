"""Folders of what is made from a run: never mixed with other files, and replaced as a whole."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from scanseg.errors import ConfigError, MachineError

__all__ = ["ResultFolder"]

SCRATCH = ".scanseg-partial"


class ResultFolder:
    """A folder of results while they are written: to a scratch folder, then moved into place.

    Parameters
    ----------
    path
        The folder; made if it does not exist. Results of an earlier call are replaced at the end.
    ours
        What the files are called that may be in it.

    Raises
    ------
    ConfigError
        When the folder is a file, or holds something else.
    """

    def __init__(self, path: Path, ours: re.Pattern[str]) -> None:
        self.path = path
        self._ours = ours
        self.files: tuple[Path, ...] = ()
        _check(path, ours)

    @property
    def scratch(self) -> Path:
        """Where to write."""
        return self.path / SCRATCH

    def __enter__(self) -> Self:
        try:
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(parents=True)
        except OSError as error:
            raise self._refused(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.files = self._moved()
        except OSError as problem:
            raise self._refused(problem) from problem
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
        if isinstance(error, OSError):
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> MachineError:
        return MachineError(
            f"The output folder {self.path} cannot be written to ({error.strerror}).",
            hint="Choose another with -o, or correct its permissions.",
        )

    def _moved(self) -> tuple[Path, ...]:
        """Results in their place; what an earlier call had more of is gone."""
        new = sorted(self.scratch.iterdir())
        kept = {each.name for each in new}
        for old in self.path.iterdir():
            if self._ours.fullmatch(old.name) and old.name not in kept:
                old.unlink()
        for each in new:
            os.replace(each, self.path / each.name)
        return tuple(self.path / each.name for each in new)


def _check(path: Path, ours: re.Pattern[str]) -> None:
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is a file.", hint="Name a folder with -o.")
    if not path.exists():
        return
    others = sorted(
        each.name
        for each in path.iterdir()
        if not each.name.startswith(".") and not ours.fullmatch(each.name)
    )
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise ConfigError(
            f"{path} holds other files ({', '.join(others[:3])}{more}), and results would mix "
            "with them.",
            hint="Name an empty or a new folder with -o, such as a new one in that of the run.",
        )
