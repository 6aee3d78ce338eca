"""A network in two halves: what is kept, and what is trained, where only its end is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scanseg.errors import ConfigError

__all__ = ["Halves", "grow_classes", "halves_of"]

# Of the probability of an object that a new class has before it was trained.
NEW_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Halves:
    """Encoder and decoder of a network; one after the other they are the network.

    Parameters
    ----------
    encode
        Image (N, channels, h, w) to features of several sizes.
    decode
        Those features to logits (N, C, h, w).
    decoder
        Modules whose weights ``decode`` uses.
    """

    encode: Callable[[Tensor], list[Tensor]]
    decode: Callable[[list[Tensor]], Tensor]
    decoder: tuple[nn.Module, ...]


def halves_of(network: nn.Module) -> Halves:
    """The halves of a U-Net of ours, or of a network of segmentation-models-pytorch.

    Raises
    ------
    ConfigError
        For a network that has no halves.
    """
    parts: Any = network
    if hasattr(parts, "encode") and hasattr(parts, "decode"):
        return Halves(parts.encode, parts.decode, (parts.up, parts.head))
    if hasattr(parts, "encoder") and hasattr(parts, "segmentation_head"):
        return Halves(
            parts.encoder,
            lambda features: parts.segmentation_head(parts.decoder(features)),
            (parts.decoder, parts.segmentation_head),
        )
    raise ConfigError(
        f"{type(network).__name__} has no encoder that could be left as it is.",
        hint="Train all of it: --speed all.",
    )


def grow_classes(network: nn.Module, n_new: int, *, share: float = NEW_SHARE) -> None:
    """Give the last convolution of a network further classes; of an ensemble, of every member.

    The logits of the classes that it knows stay what they are. A new class starts like the mean of
    the objects, with ``share`` of their probability: it has their features to begin with, and is
    with a fiftieth hardly ever the most probable one.

    Raises
    ------
    ConfigError
        For a network whose last layer is not known.
    """
    for member in getattr(network, "members", (network,)):
        home, name = _last_convolution(member)
        old: Any = getattr(home, name) if isinstance(name, str) else home[name]
        grown = nn.Conv2d(
            old.in_channels, old.out_channels + n_new, old.kernel_size, padding=old.padding
        )
        with torch.no_grad():
            assert grown.bias is not None
            weight, bias = old.weight[1:].mean(0), old.bias[1:].mean()
            grown.weight[: old.out_channels], grown.bias[: old.out_channels] = old.weight, old.bias
            grown.weight[old.out_channels :] = weight
            grown.bias[old.out_channels :] = bias + float(torch.tensor(share).log())
        if isinstance(name, str):
            setattr(home, name, grown)
        else:
            home[name] = grown


def _last_convolution(network: nn.Module) -> tuple[Any, str | int]:
    parts: Any = network
    if isinstance(getattr(parts, "head", None), nn.Conv2d):
        return parts, "head"
    head = getattr(parts, "segmentation_head", None)
    if head is not None and isinstance(head[0], nn.Conv2d):
        return head, 0
    raise ConfigError(
        f"{type(network).__name__} cannot be given further classes.",
        hint="Train a U-Net, or train from the start with all classes.",
    )
