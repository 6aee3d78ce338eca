"""Sums of losses, with pixels that are left out."""

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
                logits, class_map, ignore_index=IGNORED, reduction="none"
            )
            if weights.class_balance:
                each = each * _balance(class_map, logits.shape[1], weights.class_balance)
            total = total + weights.cross_entropy * each.sum() / _counted(class_map)
        if weights.binary_cross_entropy:
            total = total + weights.binary_cross_entropy * _one_against_rest(logits, class_map)
        if weights.dice:
            total = total + weights.dice * self._dice(logits, class_map)
        if weights.focal and (class_map != IGNORED).any():  # its mean over no pixel is nan
            total = total + weights.focal * self._focal(logits, class_map)
        if weights.cl_dice:
            total = total + weights.cl_dice * _cl_dice(logits, class_map)
        return total


def _counted(class_map: Tensor) -> Tensor:
    return (class_map != IGNORED).sum().clamp(min=1)


def _balance(class_map: Tensor, n_classes: int, part: float) -> Tensor:
    """Weight of each pixel: how rare its class is in the batch, to a power; 1 on average.

    At a power of 1 every class weighs as much as any other (Xie and Tu, ICCV 2015).
    """
    counted = class_map != IGNORED
    classes = class_map.masked_fill(~counted, 0)
    share = torch.bincount(classes[counted], minlength=n_classes).float() / _counted(class_map)
    rarity = share.clamp(min=1e-4) ** -part
    mean = (share * rarity).sum().clamp(min=1e-6)
    return (rarity / mean)[classes] * counted


def _cl_dice(logits: Tensor, class_map: Tensor) -> Tensor:
    """1 - centre-line Dice of the foreground (Shit et al., CVPR 2021), soft so that it has slopes.

    Gaps and spurs cost, thickness does not.
    """
    counted = (class_map != IGNORED)[:, None]
    found = (1 - torch.softmax(logits, 1)[:, :1]) * counted
    truth = ((class_map > 0)[:, None] & counted).to(found.dtype)
    found_line, true_line = _soft_skeleton(found), _soft_skeleton(truth)
    precision = ((found_line * truth).sum() + 1) / (found_line.sum() + 1)
    recall = ((true_line * found).sum() + 1) / (true_line.sum() + 1)
    return 1 - 2 * precision * recall / (precision + recall)


def _soft_skeleton(image: Tensor, *, n_rounds: int = 4) -> Tensor:
    """Erode again and again, and keep what opening would remove: ridges up to 8 px wide."""

    def eroded(mask: Tensor) -> Tensor:
        return -functional.max_pool2d(-mask, 3, 1, 1)

    def ridge(mask: Tensor) -> Tensor:
        return functional.relu(mask - functional.max_pool2d(eroded(mask), 3, 1, 1))

    skeleton = ridge(image)
    for _ in range(n_rounds):
        image = eroded(image)
        further = ridge(image)
        skeleton = skeleton + functional.relu(further - skeleton * further)
    return skeleton


def _one_against_rest(logits: Tensor, class_map: Tensor) -> Tensor:
    counted = class_map != IGNORED
    target = functional.one_hot(class_map.masked_fill(~counted, 0), logits.shape[1])
    each = functional.binary_cross_entropy_with_logits(
        logits, target.movedim(-1, 1).to(logits.dtype), reduction="none"
    )
    total = (each.mean(1) * counted).sum() / _counted(class_map)
    return torch.as_tensor(total)
