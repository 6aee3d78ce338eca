"""Files to micrographs: one module a format family, chosen by what is in the file.

``read`` gives the image of a file, ``read_channels`` everything image-like in it. A format joins
by a module in this folder whose functions carry ``@reads(...)``.
"""

from __future__ import annotations

from scanseg.readers._read import format_names, read, read_channels

__all__ = ["format_names", "read", "read_channels"]
