"""Classes of simulated columns: what a recipe asks for is what the patches are labelled with."""

from pathlib import Path

import numpy as np
import pytest

from scanseg.train.atom_patches import draw_patch
from scanseg.train.atom_score import class_accuracy, score_classes
from scanseg.train.labels import IGNORED
from scanseg.train.recipe import AtomRecipe, read_recipe

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CLEAR = ("scene.counts_per_column=[3000, 5000]", "scene.disorder=0", "native_scale=[1, 1]")


def recipe_of(name, *overrides):
    recipe = read_recipe(CONFIGS / f"{name}.yaml", overrides=(*CLEAR, *overrides))
    assert isinstance(recipe, AtomRecipe)
    return recipe


def class_at(patch, position):
    pixel = np.clip(np.rint(position).astype(int), 0, np.array(patch.class_map.shape) - 1)
    return patch.class_map[tuple(pixel.T)]


def test_columns_are_classes_of_their_species_and_gaps_vacancies():
    recipe = recipe_of("stem-graphene", "scene.layouts={crystal: 1}", "scene.dirt=0")
    seen = np.zeros(4, int)
    for seed in range(12):
        patch = draw_patch(np.random.default_rng(seed), recipe)
        labelled = class_at(patch, patch.position_px[patch.visible])
        counts = np.bincount(labelled[labelled != IGNORED], minlength=4)
        assert counts[1] > 0.8 * counts.sum()
        seen += counts
        # Silicon stands out, and a gap is darker than carbon.
        values = patch.image[0][tuple(np.clip(np.rint(patch.position_px), 0, 191).astype(int).T)]
        kind = class_at(patch, patch.position_px)
        if (kind == 2).any():
            assert np.median(values[kind == 2]) > np.median(values[kind == 1])
        if (kind == 3).any():
            assert np.median(values[kind == 3]) < np.median(values[kind == 1])
    assert (seen[1:] > 10).all()


@pytest.mark.parametrize("signal", ["dark-field", "bright-field"])
def test_heavy_columns_stand_out_more_than_light_ones(signal):
    recipe = recipe_of(
        "stem-sublattices", f"scene.signal={signal}", "scene.layouts={crystal: 1}",
        'scene.materials=["SrTiO3[001]"]', "scene.random_lattice_fraction=0",
        "scene.spacing_px=[11, 13]", "scene.sigma_of_spacing=[0.15, 0.2]",
    )  # fmt: skip
    patch = draw_patch(np.random.default_rng(2), recipe)
    position = patch.position_px[patch.visible]
    position = position[((position > 8) & (position < 184)).all(1)]
    kind = class_at(patch, position)
    value = patch.image[0][tuple(np.rint(position).astype(int).T)]
    assert min((kind == 1).sum(), (kind == 2).sum()) > 20
    assert np.median(value[kind == 1]) > np.median(value[kind == 2]) + 0.2


def test_the_usual_recipe_has_one_class():
    recipe = read_recipe(CONFIGS / "stem-atoms.yaml")
    assert isinstance(recipe, AtomRecipe)
    patch = draw_patch(np.random.default_rng(5), recipe)
    assert set(np.unique(patch.class_map)) <= {0, 1, IGNORED}


def test_scores_of_classes_by_hand():
    recipe = recipe_of(
        "stem-sublattices", "scene.layouts={crystal: 1}", "scene.materials=[MoS2]",
        "scene.random_lattice_fraction=0", "scene.signal=dark-field",
        "scene.spacing_px=[11, 13]", "scene.sigma_of_spacing=[0.15, 0.2]",
    )  # fmt: skip
    patch = draw_patch(np.random.default_rng(2), recipe)
    right = np.stack([patch.class_map == 1, patch.class_map == 2]).astype(np.float32)
    perfect = score_classes([patch], [right], ("heavy", "light"), threshold=0.5)
    assert perfect["class_accuracy"] == 1
    # Discs at the border have their top inside: a find there may be off by more than allowed.
    assert min(perfect["f1_heavy"], perfect["f1_light"]) > 0.97
    swapped = score_classes([patch], [right[::-1]], ("heavy", "light"), threshold=0.5)
    assert swapped["class_accuracy"] == swapped["f1_heavy"] == swapped["f1_light"] == 0
    # All light ones called heavy: a find of a wrong class is a false one, and one missed.
    heavy = np.stack([right.sum(0), np.zeros_like(right[0])])
    found = score_classes([patch], [heavy], ("heavy", "light"), threshold=0.5)
    position = patch.position_px[patch.visible]
    share = (class_at(patch, position) == 1).mean()
    assert found["class_accuracy"] == pytest.approx(share)
    assert found["f1_heavy"] == pytest.approx(2 * share / (1 + share), abs=0.02)
    assert found["f1_light"] == 0
    assert class_accuracy([patch], [np.zeros_like(right)], 0.5) == 0
