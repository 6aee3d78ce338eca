"""What is not labelled is held to what the old network saw there."""

import numpy as np
import pytest
import torch

from scanseg.train.recall import RecallingModule, distance, widened
from scanseg.train.recipe import AtomRecipe, WallRecipe


@pytest.fixture
def recipe():
    return AtomRecipe(name="tiny", architecture={"name": "compact-unet",
                                                 "arguments": {"filters": [4, 4]}})  # fmt: skip


@pytest.fixture
def module(recipe):
    torch.manual_seed(1)
    old = RecallingModule(recipe, old=torch.nn.Identity(), n_recalled=0).network
    return RecallingModule(recipe, old=old, n_recalled=2).train()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(5, 1, 24, 32, generator=generator)
    return image, torch.randint(0, 2, (5, 24, 32), generator=generator)


def test_the_distance_is_the_divergence_of_probabilities():
    rng = np.random.default_rng(5)
    new, old = rng.normal(0, 2, (2, 3, 3, 4, 5))
    p, q = (np.exp(each) / np.exp(each).sum(1, keepdims=True) for each in (old, new))
    by_hand = (p * np.log(p / q)).sum(1).mean()
    assert float(distance(torch.tensor(new), torch.tensor(old).float())) == pytest.approx(
        by_hand, rel=1e-5
    )
    assert float(distance(torch.tensor(old), torch.tensor(old).float())) == pytest.approx(
        0, abs=1e-6
    )


def test_labels_of_what_is_recalled_do_not_count(module, batch):
    image, class_map = batch
    other = class_map.clone()
    other[:2] = 1 - other[:2]
    assert module.loss_of(image, class_map) == module.loss_of(image, other)
    other[2] = 1 - other[2]
    assert module.loss_of(image, class_map) != module.loss_of(image, other)


def test_training_brings_back_what_the_old_network_saw(module, batch):
    image, class_map = batch
    image, class_map = image[:2], class_map[:2]
    before = [weight.clone() for weight in module.old.parameters()]
    with torch.no_grad():
        known = module.old(image)
        module.network.head.bias += torch.tensor([-1.0, 1.0])  # sees columns everywhere
    optimiser = torch.optim.Adam(module.network.parameters(), 0.02)
    distances = []
    for _ in range(60):
        logits = module(image)
        loss = distance(logits, known)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        distances.append(loss.item())
    # Means and variances of batches differ a little from those kept, so it is not 0.
    assert distances[-1] < 0.1 * distances[0]
    assert not module.old.training
    for weight, same in zip(module.old.parameters(), before, strict=True):
        assert torch.equal(weight, same)
        assert weight.grad is None


def test_without_anything_to_recall_the_loss_is_the_usual_one(recipe, module, batch):
    usual = RecallingModule(recipe, old=module.old, n_recalled=0).train()
    usual.network.load_state_dict(module.network.state_dict())
    image, class_map = batch
    logits = usual(image)
    torch.testing.assert_close(usual.loss_of(image, class_map), usual.loss(logits, class_map))


def test_samplings_are_widened_and_scans_stay_as_they_are(recipe):
    low, high = widened(recipe).scene.spacing_px
    assert low < recipe.scene.spacing_px[0] / 2
    assert high > recipe.scene.spacing_px[1] * 2
    walls = WallRecipe(name="tiny")
    assert widened(walls) == walls
