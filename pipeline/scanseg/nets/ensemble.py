"""Several networks of one architecture as one, so that they are stored and compiled together."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """Logits of all members, one after the other.

    Parameters
    ----------
    members
        Networks with the same input and output.
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, K C, h, w) of images (N, n_channels, h, w)."""
        return torch.cat([member(image) for member in self.members], 1)
