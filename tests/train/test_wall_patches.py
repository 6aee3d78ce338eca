"""Patches of scans: the same for the same number, turned over as scans are."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from scanseg.preprocess.scan import SCAN_PLANES
from scanseg.train import WallRecipe
from scanseg.train import wall_patches as module
from scanseg.train.labels import IGNORED
from scanseg.train.task import task_of
from scanseg.train.wall_patches import SCANS_A_GROUP, SimulatedWalls, WallPatch, draw_wall_patch

RECIPE = WallRecipe(name="walls", patch_px=48, uses=3, mirrored_border=0.3)
COSINES = [SCAN_PLANES.index(name) for name in ("phase_cos", "contrast_along")]
SINES = [SCAN_PLANES.index(name) for name in ("phase_sin", "contrast_across")]
OTHERS = [SCAN_PLANES.index(name) for name in ("amplitude", "topography")]


@pytest.fixture
def numbered(monkeypatch):
    """Scans that carry their number instead of being simulated; how often each was drawn."""
    drawn = {}

    def draw(rng, recipe):
        number = len(drawn)
        drawn[number] = drawn.get(number, 0) + 1
        side = recipe.patch_px
        planes = np.full((6, side, side), 1.0 + number, np.float32)
        return WallPatch(planes, np.zeros((side, side), np.uint8), complete=True, noise=0.1)

    monkeypatch.setattr(module, "draw_wall_patch", draw)
    return drawn


def checksum(example):
    image, class_map = example
    return float(image.double().abs().sum()), int(class_map.sum())


def test_a_patch_depends_on_its_number_only():
    patches, others = (SimulatedWalls(RECIPE, range(200)) for _ in range(2))
    numbers = (0, 1, 2, 97, 98, 150)
    first = {number: patches[number] for number in numbers}
    for number in (150, 2, 97, 0, 2):
        image, class_map = others[number]
        assert torch.equal(image, first[number][0])
        assert torch.equal(class_map, first[number][1])
    image, class_map = first[0]
    assert (image.shape, image.dtype) == ((6, 48, 48), torch.float32)
    assert (class_map.shape, class_map.dtype) == ((48, 48), torch.int64)
    assert len({checksum(each) for each in first.values()}) == len(numbers)
    assert {int(v) for _, each in first.values() for v in each.unique()} <= {0, 1, 2, IGNORED}


def test_a_patch_is_the_same_in_another_process():
    code = (
        "from scanseg.train import WallRecipe\n"
        "from scanseg.train.wall_patches import SimulatedWalls\n"
        "recipe = WallRecipe(name='walls', patch_px=48, uses=3, mirrored_border=0.3)\n"
        "image, class_map = SimulatedWalls(recipe, range(500))[130]\n"
        "print(repr(float(image.double().abs().sum())), int(class_map.sum()))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    size, classes = checksum(SimulatedWalls(RECIPE, range(500))[130])
    assert run.stdout.split() == [repr(size), str(classes)]


def test_numbers_may_begin_anywhere():
    late = SimulatedWalls(RECIPE, range(100, 110))
    assert len(late) == 10
    assert checksum(late[3]) == checksum(SimulatedWalls(RECIPE, range(200))[103])


def test_every_scan_is_used_as_often(numbered):
    recipe = RECIPE.model_copy(update={"mirrored_border": 0.0})
    patches = SimulatedWalls(recipe, range(10_000))
    n = SCANS_A_GROUP * recipe.uses
    seen = [int(patches[number][0].abs().max()) - 1 for number in range(2 * n)]
    for group in (seen[:n], seen[n:]):
        assert sorted(np.bincount(group)[min(group) :].tolist()) == [recipe.uses] * SCANS_A_GROUP
    assert not set(seen[:n]) & set(seen[n:])
    # Each was drawn once, and they are mixed: in a step of eight, hardly one comes twice.
    assert set(numbered.values()) == {1}
    steps = np.array(seen).reshape(-1, 8)
    assert np.mean([len(set(step)) for step in steps]) > 6


def test_only_two_groups_are_kept(numbered):
    patches = SimulatedWalls(RECIPE, range(10_000))
    for number in range(0, 5 * SCANS_A_GROUP * RECIPE.uses, 7):
        patches[number]
        assert len(patches._scans) <= 2 * SCANS_A_GROUP


def test_turning_over_keeps_scans_possible():
    rng = np.random.default_rng(3)
    image = rng.normal(size=(6, 20, 28)).astype(np.float32)
    class_map = rng.integers(0, 3, (20, 28)).astype(np.uint8)
    image[OTHERS[0]] = class_map  # to see where a pixel went
    kept, seen = image.copy(), set()
    for _ in range(200):
        turned, labels = module.turned(image, class_map, rng)
        np.testing.assert_array_equal(turned[OTHERS[0]], labels)
        flips = [
            (rows, columns)
            for rows in (1, -1)
            for columns in (1, -1)
            if np.array_equal(turned[OTHERS], image[OTHERS, ::rows, ::columns])
        ]
        ((rows, columns),) = flips
        back = turned[:, ::rows, ::columns]
        # Polarity turns cosine and sine over together, the sign of the phase the sines alone.
        cosine, sine = (int(np.sign((back[each] * image[each]).sum())) for each in (COSINES, SINES))
        np.testing.assert_array_equal(back[COSINES], cosine * image[COSINES])
        np.testing.assert_array_equal(back[SINES], sine * image[SINES])
        seen.add((rows, columns, cosine, sine))
    assert len(seen) == 16  # each of them comes up, and no other
    np.testing.assert_array_equal(image, kept)


def test_a_patch_is_a_scan_and_its_truth():
    for n in range(6):
        patch = draw_wall_patch(np.random.default_rng(n), RECIPE)
        assert patch.image.shape == (6, 48, 48)
        assert patch.class_map.shape == (48, 48)
        has = [patch.image[[SCAN_PLANES.index(name)]].any() for name in SCAN_PLANES]
        # Amplitude, phase and topography, where they are not missing.
        assert patch.complete == (has[0] and has[1] and has[5])
        assert patch.noise > 0


def test_validation_is_of_other_scans_and_always_the_same():
    recipe = RECIPE.model_copy(update={"validation": RECIPE.validation.model_copy(
        update={"n_images": 3}
    )})  # fmt: skip
    one, same = (task_of(recipe).validation_set() for _ in range(2))
    assert len(one) == 3
    for patch, again in zip(one, same, strict=True):
        np.testing.assert_array_equal(patch.image, again.image)
    patches = SimulatedWalls(recipe, range(10))
    trained = {checksum(patches[number]) for number in range(10)}
    assert not trained & {
        (float(np.abs(patch.image.astype(float)).sum()), int(patch.class_map.sum()))
        for patch in one
    }
