"""Micrographs and maps to files that keep their calibration: OME-TIFF, and OME-Zarr.

What is written here is read back with the same pixel size by ``scanseg.read``, by programs that
know OME, and, from the resolution tags, by those that do not.
"""

from __future__ import annotations

from scanseg.writers._images import write, write_array
from scanseg.writers._maps import MapWriter

__all__ = ["MapWriter", "write", "write_array"]
