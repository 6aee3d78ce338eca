"""Records of runs: all that is needed to know how results came about, and to make them again."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import scanseg

__all__ = ["describe_machine", "now", "versions", "write_record"]

PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "tifffile", "h5py", "openvino", "numba", "torch")


def versions() -> dict[str, str]:
    """Versions of scanseg, Python and the packages that decide numbers; none is imported."""
    found = {"scanseg": scanseg.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = _version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _version(package: str) -> str:
    """Version of an installed package, from one line of its description.

    ``metadata.version`` takes all of it apart as an e-mail: 70 ms for the packages above.
    """
    description = metadata.distribution(package).read_text("METADATA") or ""
    stated = re.search(r"^Version: (\S+)", description, re.MULTILINE)
    return stated[1] if stated else metadata.version(package)


def describe_machine() -> dict[str, Any]:
    """Operating system, processor and number of cores."""
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "n_cores": os.cpu_count(),
    }


def now() -> str:
    """Date and time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_record(path: Path, run: Path, facts: Mapping[str, Any]) -> None:
    """Write how results were made from those of a run, as JSON.

    Parameters
    ----------
    path
        The file.
    run
        Folder of the run.
    facts
        What differs from command to command: images, settings, warnings.
    """
    record = {
        "scanseg": scanseg.__version__,
        "finished": now(),
        "run": os.path.abspath(run),
        **facts,
        "versions": versions(),
    }
    path.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
