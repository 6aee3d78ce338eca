import numpy as np
import pytest
import torch

from scanseg.train.labels import IGNORED
from scanseg.train.losses import SegmentationLoss
from scanseg.train.recipe import Loss

NONE = {"cross_entropy": 0.0, "binary_cross_entropy": 0.0, "dice": 0.0, "focal": 0.0}
TERMS = tuple(NONE)


def only(term):
    return SegmentationLoss(Loss(**{**NONE, term: 1.0}))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 3, 20, 28, generator=generator)
    class_map = torch.randint(0, 3, (2, 20, 28), generator=generator)
    return logits, class_map


@pytest.mark.parametrize("term", TERMS)
def test_perfect_logits_cost_nothing_and_wrong_ones_much(term, batch):
    _, class_map = batch
    right = 40.0 * torch.nn.functional.one_hot(class_map, 3).movedim(-1, 1) - 20.0
    assert float(only(term)(right, class_map)) < 1e-4
    assert float(only(term)(right.roll(1, dims=1), class_map)) > 0.5


@pytest.mark.parametrize("term", TERMS)
def test_ignored_pixels_do_not_count(term, batch):
    logits, class_map = batch
    class_map = class_map.clone()
    class_map[:, 5:12, 3:20] = IGNORED
    other = logits.clone()
    other[:, :, 5:12, 3:20] = 100 * torch.randn(2, 3, 7, 17)
    torch.testing.assert_close(only(term)(other, class_map), only(term)(logits, class_map))
    other.requires_grad_()
    only(term)(other, class_map).backward()
    assert not other.grad[:, :, 5:12, 3:20].any()
    assert other.grad[:, :, :5].any()


@pytest.mark.parametrize("term", TERMS)
def test_a_batch_without_a_pixel_that_counts(term, batch):
    logits, class_map = batch
    logits.requires_grad_()
    loss = only(term)(logits, torch.full_like(class_map, IGNORED))
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    if loss.requires_grad:
        loss.backward()
        assert torch.isfinite(logits.grad).all()


def test_terms_by_hand(batch):
    logits, class_map = batch
    p = torch.softmax(logits.double(), 1).numpy()
    truth = class_map.numpy()
    at = np.take_along_axis(p, truth[:, None], 1)[:, 0]
    assert float(only("cross_entropy")(logits, class_map)) == pytest.approx(
        -np.log(at).mean(), rel=1e-5
    )
    one = np.moveaxis(np.eye(3)[truth], -1, 1)
    alone = 1 / (1 + np.exp(-logits.double().numpy()))
    binary = -(one * np.log(alone) + (1 - one) * np.log(1 - alone)).mean()
    assert float(only("binary_cross_entropy")(logits, class_map)) == pytest.approx(binary, rel=1e-5)
    overlap = 2 * (p * one).sum((0, 2, 3)) / (p + one).sum((0, 2, 3))
    assert float(only("dice")(logits, class_map)) == pytest.approx((1 - overlap).mean(), rel=1e-5)


def test_the_sum_is_weighted(batch):
    weights = dict(zip(TERMS, (0.5, 2.0, 0.3, 1.5), strict=True))
    expected = sum(weight * only(term)(*batch) for term, weight in weights.items())
    torch.testing.assert_close(SegmentationLoss(Loss(**weights))(*batch), expected)


def test_half_precision_is_summed_in_single(batch):
    logits, class_map = batch
    loss = SegmentationLoss(Loss())(logits.bfloat16(), class_map)
    assert loss.dtype == torch.float32
