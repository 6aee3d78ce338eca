"""Names that torchvision expects and some pairs of torch and torchvision wheels lack.

segmentation-models-pytorch, timm and Lightning import torchvision and use none of its compiled
operators here. Where torchvision's library does not fit the installed torch, the import itself
fails ("operator torchvision::nms does not exist"); an operator that has a name and no code cures it
(torch 2.13.0+cpu with torchvision 0.28.0).
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["prepare_torchvision"]

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_LIBRARIES: list[object] = []  # torch forgets the operators when their library is collected


@cache
def prepare_torchvision() -> bool:
    """Make ``import torchvision`` work; call before importing smp, timm or Lightning.

    Returns
    -------
    registered
        True where names had to be registered; False where torchvision loads by itself or is absent.
    """
    import torch

    spec = find_spec("torchvision")
    if spec is None or spec.origin is None or _operators_load(Path(spec.origin).parent):
        return False
    torch_library: Any = torch.library  # untyped in torch
    library = torch_library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + schema)
    _LIBRARIES.append(library)
    return True


def _operators_load(folder: Path) -> bool:
    """Whether torchvision's compiled operators fit this torch."""
    import torch

    operators: Any = torch.ops  # untyped in torch
    for path in sorted([*folder.glob("_C*.so"), *folder.glob("_C*.pyd")]):
        try:
            operators.load_library(path)
        except (ImportError, OSError):
            return False
        return hasattr(operators.torchvision, "nms")
    return False
