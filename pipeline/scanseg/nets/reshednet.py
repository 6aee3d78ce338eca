"""ResHedNet: residual stages whose side outputs are fused, for walls one pixel wide.

Structure after AtomAI's network of that name (Ziatdinov et al., Nat. Mach. Intell. 4, 1101, 2022),
which marries ResNet blocks to holistically nested edge detection (Xie & Tu, ICCV 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ResHedNet"]


class ResHedNet(nn.Module):
    """Three stages of residual blocks; each has a say at full resolution.

    With one channel, one class and 64 filters it is the published network: 7,673,933 parameters,
    3, 4 and 5 blocks, a receptive field of 128 px. Costs grow with the square of ``filters``: 58
    billion multiplications a 256² image with 64, 3.6 with 16.

    Parameters
    ----------
    n_channels
        Input channels.
    n_classes
        Output channels.
    filters
        Filters of the first stage; each later stage has twice as many at half the resolution.
    blocks
        Residual blocks of each stage.
    """

    def __init__(
        self,
        *,
        n_channels: int,
        n_classes: int,
        filters: int = 64,
        blocks: Sequence[int] = (3, 4, 5),
    ) -> None:
        super().__init__()
        widths = [n_channels, *(filters * 2**stage for stage in range(len(blocks)))]
        self.stages = nn.ModuleList(
            _stage(inputs, outputs, n_blocks)
            for (inputs, outputs), n_blocks in zip(pairwise(widths), blocks, strict=True)
        )
        self.sides = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, n_classes, 1), nn.BatchNorm2d(n_classes))
            for width in widths[1:]
        )
        self.fuse = nn.Conv2d(len(blocks) * n_classes, n_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Fused logits (N, n_classes, h, w) of images (N, n_channels, h, w)."""
        return self.all_logits(image)[0]

    def all_logits(self, image: Tensor) -> list[Tensor]:
        """Fused logits, then those of each side output, (N, n_classes, h, w) each.

        A loss that sees the sides as well (deep supervision) makes every stage find walls, as in
        holistically nested edge detection; a loss of the fused logits alone is what was published.
        """
        features, sides = image, []
        for number, (stage, side) in enumerate(zip(self.stages, self.sides, strict=True)):
            if number:
                features = functional.max_pool2d(features, 2)
            features = stage(features)
            logits = side(features)
            if number:
                logits = functional.interpolate(
                    logits, size=image.shape[-2:], mode="bilinear", align_corners=False
                )
            sides.append(logits)
        fused: Tensor = self.fuse(torch.cat(sides, 1))
        return [fused, *sides]


def _stage(inputs: int, outputs: int, n_blocks: int) -> nn.Sequential:
    return nn.Sequential(
        *(_ResidualBlock(outputs if number else inputs, outputs) for number in range(n_blocks))
    )


class _ResidualBlock(nn.Module):
    """A 1x1 convolution, and what two 3x3 convolutions add to it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(inputs, outputs, 1)
        self.add = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.01),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, features: Tensor) -> Tensor:
        skip = self.project(features)
        return functional.leaky_relu(skip + self.add(skip), 0.01)
