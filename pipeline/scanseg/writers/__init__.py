"""Micrographs, maps and atoms to files of other programs, calibration included.

Images are OME-TIFF or OME-Zarr; atoms XYZ, extended XYZ, CIF, Parquet, and HDF5 for Atomap. What is
written here of images is read back with the same pixel size by ``scanseg.read``, by programs that
know OME, and, from the resolution tags, by those that do not.
"""

from __future__ import annotations

from scanseg.writers._atomap import write_atomap
from scanseg.writers._images import write, write_array
from scanseg.writers._maps import MapWriter
from scanseg.writers._parquet import ParquetAtoms
from scanseg.writers._structures import as_structure, write_structure

__all__ = [
    "MapWriter",
    "ParquetAtoms",
    "as_structure",
    "write",
    "write_array",
    "write_atomap",
    "write_structure",
]
