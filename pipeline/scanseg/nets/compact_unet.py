"""A small U-Net for objects of a few pixels on a lattice of many."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CompactUnet"]


class CompactUnet(nn.Module):
    """U-Net with a full-resolution first stage, and skips that are added instead of concatenated.

    The first stage keeps every pixel, so spots of one or two pixels stay sharp. Context is cheap at
    the bottom: a residual pair of convolutions there costs 1/256 of one at full resolution, and
    reaches 64 px (depth 4). Added skips halve the cost of the expensive decoder stages; sixteen
    filters are what vector units of 512 bits are filled with.

    Parameters
    ----------
    n_channels
        Input channels.
    n_classes
        Output channels.
    filters
        Filters of each stage; every stage after the first halves the sides.
    bottom_blocks
        Residual blocks at the lowest resolution, with dilations 1, 2, 4, 1, 2, 4, ...
    """

    def __init__(
        self,
        *,
        n_channels: int,
        n_classes: int,
        filters: tuple[int, ...] = (16, 24, 48, 64, 96),
        bottom_blocks: int = 2,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _convolution(n_channels, filters[0]), _convolution(filters[0], filters[0])
        )
        steps = list(pairwise(filters))
        self.down = nn.ModuleList(_Down(finer, coarser) for finer, coarser in steps)
        self.bottom = nn.Sequential(
            *(_Residual(filters[-1], dilation=2 ** (index % 3)) for index in range(bottom_blocks))
        )
        self.up = nn.ModuleList(_Up(coarser, finer) for finer, coarser in reversed(steps))
        self.head = nn.Conv2d(filters[0], n_classes, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, n_classes, h, w) of images (N, n_channels, h, w)."""
        return self.decode(self.encode(image))

    def encode(self, image: Tensor) -> list[Tensor]:
        """Features of every stage, each (N, filters, h / 2^stage, w / 2^stage)."""
        features = [self.stem(image)]
        for down in self.down:
            features.append(down(features[-1]))
        features[-1] = self.bottom(features[-1])
        return features

    def decode(self, features: list[Tensor]) -> Tensor:
        """Logits (N, n_classes, h, w) of what ``encode`` returned."""
        *skips, decoded = features
        for up in self.up:
            decoded = up(decoded, skips.pop())
        logits: Tensor = self.head(decoded)
        return logits


class _Down(nn.Module):
    """Halve the sides by a convolution of stride 2, then a residual block."""

    def __init__(self, finer: int, coarser: int) -> None:
        super().__init__()
        self.shrink = _convolution(finer, coarser, stride=2)
        self.refine = _Residual(coarser)

    def forward(self, features: Tensor) -> Tensor:
        refined: Tensor = self.refine(self.shrink(features))
        return refined


class _Up(nn.Module):
    """Double the sides, add the skip, and convolve.

    The 1x1 convolution comes before the enlargement, where it costs a quarter.
    """

    def __init__(self, coarser: int, finer: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(coarser, finer, kernel_size=1, bias=False)
        self.refine = _convolution(finer, finer)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        enlarged = functional.interpolate(self.project(coarse), scale_factor=2.0, mode="nearest")
        refined: Tensor = self.refine(enlarged + skip)
        return refined


class _Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, filters: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.first = _convolution(filters, filters, dilation=dilation)
        self.second = nn.Sequential(
            nn.Conv2d(filters, filters, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(filters),
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(features + self.second(self.first(features)))


def _convolution(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        ),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
