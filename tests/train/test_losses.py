import numpy as np
import pytest
import torch

from scanseg.train.labels import IGNORED
from scanseg.train.losses import SegmentationLoss
from scanseg.train.module import SegmentationModule
from scanseg.train.recipe import Loss, WallRecipe

TERMS = ("cross_entropy", "binary_cross_entropy", "dice", "focal", "cl_dice")
NONE = dict.fromkeys(TERMS, 0.0)


def only(term):
    return SegmentationLoss(Loss(**{**NONE, term: 1.0}))


def logits_of(class_map):
    return 40.0 * torch.nn.functional.one_hot(class_map, 3).movedim(-1, 1) - 20.0


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 3, 20, 28, generator=generator)
    class_map = torch.randint(0, 3, (2, 20, 28), generator=generator)
    return logits, class_map


@pytest.mark.parametrize("term", TERMS)
def test_perfect_logits_cost_nothing_and_wrong_ones_much(term, batch):
    _, class_map = batch
    assert float(only(term)(logits_of(class_map), class_map)) < 1e-4
    # Centre lines have no class, so the wrong answer is that there is no wall.
    wrong = torch.zeros_like(class_map) if term == "cl_dice" else (class_map + 1) % 3
    assert float(only(term)(logits_of(wrong), class_map)) > 0.5


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
    weights = dict(zip(TERMS, (0.5, 2.0, 0.3, 1.5, 0.7), strict=True))
    expected = sum(weight * only(term)(*batch) for term, weight in weights.items())
    torch.testing.assert_close(SegmentationLoss(Loss(**weights))(*batch), expected)


def test_half_precision_is_summed_in_single(batch):
    logits, class_map = batch
    loss = SegmentationLoss(Loss())(logits.bfloat16(), class_map)
    assert loss.dtype == torch.float32


def wall(width, *, gap=0):
    """A wall down the middle of 48 x 60 pixels, with a gap in it."""
    class_map = torch.zeros(1, 48, 60, dtype=torch.long)
    left = 30 - width // 2
    class_map[:, :, left : left + width] = 2
    if gap:
        class_map[:, 20 : 20 + gap] = 0
    return class_map


def test_centre_lines_mind_gaps_and_not_thickness():
    truth = wall(3)
    cost = {
        name: float(only("cl_dice")(logits_of(found), truth))
        for name, found in {"gap": wall(3, gap=8), "thick": wall(5), "thin": wall(1)}.items()
    }
    # 8 of 48 rows: recall is 5/6, so that 1 - F1 is 1/11.
    assert cost["gap"] == pytest.approx(1 / 11, rel=0.15)
    assert max(cost["thick"], cost["thin"]) < 0.2 * cost["gap"]
    # The Dice of regions says the opposite: a wall of 5 px for one of 3 costs more than the gap.
    assert only("dice")(logits_of(wall(5)), truth) > only("dice")(logits_of(wall(3, gap=8)), truth)


def test_a_spur_costs_centre_lines_too():
    found = wall(3)
    found[:, 10:13, 30:54] = 2
    # 22 px of 70 are no wall: precision is 48/70, so that 1 - F1 is 0.19.
    assert float(only("cl_dice")(logits_of(found), wall(3))) == pytest.approx(0.19, rel=0.15)


def test_balance_by_hand():
    # 90 pixels of background and 10 of a wall, each with a cross-entropy of its own.
    class_map = torch.zeros(1, 10, 10, dtype=torch.long)
    class_map[:, 0] = 2
    logits = torch.zeros(1, 3, 10, 10)
    logits[:, 0] = 1.0
    of_background = -1 + np.log(np.e + 2)
    of_wall = np.log(np.e + 2)

    def loss(part, classes=class_map):
        term = SegmentationLoss(Loss(**{**NONE, "cross_entropy": 1.0, "class_balance": part}))
        return float(term(logits, classes))

    assert loss(0.0) == pytest.approx(0.9 * of_background + 0.1 * of_wall, rel=1e-5)
    assert loss(1.0) == pytest.approx((of_background + of_wall) / 2, rel=1e-5)
    # Weights 1 / sqrt(share): 0.9 / sqrt(0.9) to 0.1 / sqrt(0.1) is 3 to 1.
    assert loss(0.5) == pytest.approx((3 * of_background + of_wall) / 4, rel=1e-5)
    ignoring = class_map.clone()
    ignoring[:, 5:] = IGNORED
    # 40 to 10: 2 to 1.
    assert loss(0.5, ignoring) == pytest.approx((2 * of_background + of_wall) / 3, rel=1e-5)


def test_balance_without_a_pixel_or_with_one_class():
    term = SegmentationLoss(Loss(**{**NONE, "cross_entropy": 1.0, "class_balance": 1.0}))
    logits = torch.zeros(1, 3, 4, 5, requires_grad=True)
    nothing = term(logits, torch.full((1, 4, 5), IGNORED))
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert not logits.grad.any()
    alone = term(torch.zeros(1, 3, 4, 5), torch.ones(1, 4, 5, dtype=torch.long))
    assert float(alone) == pytest.approx(np.log(3))


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_deep_supervision_reaches_the_side_outputs(weight):
    recipe = WallRecipe(
        name="tiny",
        architecture={"name": "reshednet", "arguments": {"filters": 4, "blocks": [1, 1]}},
        loss={"deep_supervision": weight},
    )
    torch.manual_seed(2)
    module = SegmentationModule(recipe, [])
    with (
        torch.no_grad()
    ):  # sides that the fused output does not see learn from their own loss alone
        module.network.fuse.weight.zero_()
    image = torch.randn(2, 6, 24, 32)
    class_map = torch.randint(0, 3, (2, 24, 32))
    loss = module.loss_of(image, class_map)
    loss.backward()
    for side in module.network.sides:
        assert bool(side[0].weight.grad.any()) == (weight > 0)
    fused, *sides = (module.loss(each, class_map) for each in module.network.all_logits(image))
    expected = fused + weight * sum(sides) / len(sides)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)


def test_deep_supervision_leaves_networks_without_sides_alone(batch):
    recipe = WallRecipe(
        name="tiny",
        architecture={"arguments": {"filters": [4, 4]}},
        loss={"deep_supervision": 1.0},
    )
    module = SegmentationModule(recipe, [])
    image = torch.randn(2, 6, 20, 28)
    torch.testing.assert_close(
        module.loss_of(image, batch[1]), module.loss(module(image), batch[1])
    )
