"""Files to micrographs: one module a format family, chosen by what is in the file.

``read`` gives the image of a file, ``read_pfm`` amplitude, phase and topography of a PFM scan,
``read_channels`` everything image-like, ``look_into`` what there is without loading it. A format
joins by a module in this folder, or in one below it, whose functions carry ``@reads(...)``.
"""

from __future__ import annotations

from scanseg.readers._ome_zarr import is_image_folder
from scanseg.readers._read import (
    Contents,
    format_names,
    image_suffixes,
    look_into,
    read,
    read_channels,
    read_pfm,
)
from scanseg.readers._sidecar import SIDECAR_SUFFIX, sidecar_of

__all__ = [
    "SIDECAR_SUFFIX",
    "Contents",
    "format_names",
    "image_suffixes",
    "is_image_folder",
    "look_into",
    "read",
    "read_channels",
    "read_pfm",
    "sidecar_of",
]
