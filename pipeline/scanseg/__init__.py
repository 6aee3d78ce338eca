"""scanseg: images of scanning microscopes into numbers.

    image = scanseg.read("scan.dm4")            # a Micrograph, or a Stack for a movie
    model = scanseg.load_model("stem-atoms")    # a shipped name, or the path of a bundle
    result = scanseg.predict(image, model)      # probability, class map, uncertainty
    atoms = scanseg.find_atoms(result)          # a pandas DataFrame
    walls = scanseg.trace_walls(result)         # of a PFM scan: points, branches, domains

Importing the package loads none of the heavy parts; they come when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanseg.atoms import find_atoms
    from scanseg.bundle import load_model
    from scanseg.errors import ScansegError
    from scanseg.inference import predict
    from scanseg.micrograph import Micrograph, Signal, Stack
    from scanseg.readers import read
    from scanseg.walls import Walls, trace_walls

__all__ = [
    "Micrograph",
    "ScansegError",
    "Signal",
    "Stack",
    "Walls",
    "find_atoms",
    "load_model",
    "predict",
    "read",
    "trace_walls",
]

__version__ = "0.1.0"

_HOMES = {
    "Micrograph": "scanseg.micrograph",
    "ScansegError": "scanseg.errors",
    "Signal": "scanseg.micrograph",
    "Stack": "scanseg.micrograph",
    "Walls": "scanseg.walls",
    "find_atoms": "scanseg.atoms",
    "load_model": "scanseg.bundle",
    "predict": "scanseg.inference",
    "read": "scanseg.readers",
    "trace_walls": "scanseg.walls",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scanseg' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
