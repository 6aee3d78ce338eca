"""The networks that scanseg brings itself, registered without loading torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanseg.nets.registry import register_network

if TYPE_CHECKING:
    from torch import nn

__all__: list[str] = []


@register_network("compact-unet")
def _compact_unet(
    *,
    n_channels: int,
    n_classes: int,
    filters: tuple[int, ...] = (16, 24, 48, 64, 96),
    bottom_blocks: int = 2,
) -> nn.Module:
    from scanseg.nets.compact_unet import CompactUnet

    return CompactUnet(
        n_channels=n_channels, n_classes=n_classes, filters=filters, bottom_blocks=bottom_blocks
    )


@register_network("reshednet")
def _reshednet(
    *, n_channels: int, n_classes: int, filters: int = 64, blocks: tuple[int, ...] = (3, 4, 5)
) -> nn.Module:
    from scanseg.nets.reshednet import ResHedNet

    return ResHedNet(n_channels=n_channels, n_classes=n_classes, filters=filters, blocks=blocks)
