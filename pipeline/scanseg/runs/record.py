"""run.json: all that is needed to know how results came about, and to make them again."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import scanseg

__all__ = ["describe_machine", "now", "versions"]

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
