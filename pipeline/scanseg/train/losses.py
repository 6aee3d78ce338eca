"""Sums of losses of segmentation-models-pytorch, with pixels that are left out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from scanseg.nets import prepare_torchvision
from scanseg.train.labels import IGNORED
from scanseg.train.recipe import Loss

__all__ = ["SegmentationLoss"]


class SegmentationLoss(nn.Module):
    """Weighted sum of the terms of a recipe.

    Parameters
    ----------
    weights
        Weight of each term.
    """

    def __init__(self, weights: Loss) -> None:
        super().__init__()
        prepare_torchvision()
        from segmentation_models_pytorch import losses

        self._weights = weights
        self._dice = losses.DiceLoss("multiclass", from_logits=True, ignore_index=IGNORED)
        self._focal = losses.FocalLoss(
            "multiclass", gamma=weights.focal_gamma, ignore_index=IGNORED
        )

    def forward(self, logits: Tensor, class_map: Tensor) -> Tensor:
        """Loss of logits (N, C, h, w) against class maps (N, h, w)."""
        logits = logits.float()
        total = logits.new_zeros(())
        weights = self._weights
        if weights.cross_entropy:
            # Mean over the pixels that count; a batch may have none.
            each = functional.cross_entropy(
                logits, class_map, ignore_index=IGNORED, reduction="sum"
            )
            total = total + weights.cross_entropy * each / _counted(class_map)
        if weights.binary_cross_entropy:
            total = total + weights.binary_cross_entropy * _one_against_rest(logits, class_map)
        if weights.dice:
            total = total + weights.dice * self._dice(logits, class_map)
        if weights.focal and (class_map != IGNORED).any():  # its mean over no pixel is nan
            total = total + weights.focal * self._focal(logits, class_map)
        return total


def _counted(class_map: Tensor) -> Tensor:
    return (class_map != IGNORED).sum().clamp(min=1)


def _one_against_rest(logits: Tensor, class_map: Tensor) -> Tensor:
    counted = class_map != IGNORED
    target = functional.one_hot(class_map.masked_fill(~counted, 0), logits.shape[1])
    each = functional.binary_cross_entropy_with_logits(
        logits, target.movedim(-1, 1).to(logits.dtype), reduction="none"
    )
    total = (each.mean(1) * counted).sum() / _counted(class_map)
    return torch.as_tensor(total)
