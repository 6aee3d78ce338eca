import numpy as np
import pytest

from scanseg.contract import ModelContract, Sampling
from scanseg.train.calibration import calibration_error
from scanseg.train.card import write_card
from scanseg.train.recipe import AtomRecipe
from scanseg.train.strange_inputs import responses, strange_inputs


@pytest.fixture
def images():
    rng = np.random.default_rng(1)
    return [rng.uniform(0.5, 1.0, size=(1, 24, 40)).astype(np.float32) for _ in range(3)]


def logits_of(probability):
    """Logits of two classes whose softmax is this."""
    return np.concatenate([np.zeros_like(probability), np.log(probability / (1 - probability))])


def respond(images, *networks):
    return {
        each.kind: each
        for each in responses(
            lambda inputs: [np.concatenate([net(image) for net in networks]) for image in inputs],
            images,
            temperature=1.0,
            threshold=0.5,
            n_members=len(networks),
        )
    }


def test_inputs_are_as_they_are_called(images):
    made = strange_inputs(images)
    for inputs in made.values():
        assert [each.shape for each in inputs] == [(1, 24, 40)] * 3
    for image, noise, blurred, large, negative in zip(images, *made.values(), strict=True):
        # 960 pixels fix mean and spread to some per cent.
        assert noise.mean() == pytest.approx(image.mean(), abs=0.03)
        assert noise.std() == pytest.approx(image.std(), rel=0.1)
        assert blurred.std() < 0.2 * image.std()
        neighbours = np.corrcoef(large[0, :, 1:].ravel(), large[0, :, :-1].ravel())[0, 1]
        assert neighbours > 0.9
        np.testing.assert_array_equal(negative, -image)


def test_doubt_tells_what_is_strange(images):
    def sure_of_bright(image):
        return logits_of(np.where(image > 0, 0.999, 0.5).astype(np.float32))

    found = respond(images, sure_of_bright)
    known, turned = found["validation set"], found["bright and dark exchanged"]
    assert known.found == 1.0
    assert known.doubt == pytest.approx(0.001, rel=0.01)
    assert known.told_apart == 0.5  # from itself
    assert turned.doubt == pytest.approx(0.5)
    assert turned.told_apart == 1.0
    assert np.isnan(turned.spread)


def test_the_spread_is_that_of_the_members(images):
    def says(probability):
        return lambda image: logits_of(np.full_like(image, probability))

    agreed = respond(images, says(0.6), says(0.6))["validation set"]
    differing = respond(images, says(0.4), says(0.8))["validation set"]
    assert agreed.spread == pytest.approx(0, abs=1e-6)
    assert differing.spread == pytest.approx(0.2, abs=1e-6)
    blind = respond(images, says(0.01), says(0.01))["validation set"]
    assert np.isnan(blind.doubt)
    assert blind.found == 0


def test_the_card_says_both(images):
    recipe = AtomRecipe(name="x")
    contract = ModelContract(
        name="x", version="1", task="atoms", modality="STEM", classes=recipe.classes,
        sampling=Sampling(spacing_px=8), halo_px=8, recipe="x.yaml", seed=1, data="Simulated.",
        scanseg_version="0",
    )  # fmt: skip
    table = np.array([[0.1, 0.2, 0.75], [0.9, 0.9, 0.25]])
    strange = respond(images, lambda image: logits_of(np.full_like(image, 0.01)))
    card = write_card(contract, recipe, "", table, steps=3, responses=list(strange.values()))
    assert "off by 0.0750 on average" in card
    assert calibration_error(table) == pytest.approx(0.075)
    assert "| noise alone | 0.0000 | - | - | - |" in card
    assert "unlike the training" not in write_card(contract, recipe, "", table, steps=3)
