import os
import subprocess
import sys

import numpy as np
import pytest

from scanseg.bundle import Normalisation
from scanseg.errors import ConfigError
from scanseg.train.augment import augment, build_augmentation, mirror_border
from scanseg.train.labels import IGNORED

RANGE = Normalisation(clip_low=-1.0, clip_high=4.0)


@pytest.fixture
def patch():
    """Bright squares of five pixels on dark, and their class map."""
    class_map = np.zeros((96, 120), np.uint8)
    for y in range(10, 90, 20):
        for x in range(10, 115, 20):
            class_map[y : y + 5, x : x + 5] = 1
    class_map[40:50, 40:44] = IGNORED
    return class_map.astype(np.float32) % IGNORED * 1.5 - 0.2, class_map


@pytest.mark.parametrize("name", ["contrast", "gamma", "blur"])
def test_labels_stay_where_they_are(patch, name):
    image, class_map = patch
    augmentation = build_augmentation({name: 1.0}, RANGE)
    changed, labels = augment(image, class_map, augmentation, RANGE, seed=3)
    np.testing.assert_array_equal(labels, class_map)
    assert changed.shape == image.shape
    assert changed.dtype == np.float32
    assert not np.array_equal(changed, image)
    # What was bright stays bright, in place.
    assert np.corrcoef(changed.ravel(), image.ravel())[0, 1] > 0.9


def test_dropped_rectangles_are_background(patch):
    image, class_map = patch
    augmentation = build_augmentation({"dropout": 1.0}, RANGE)
    changed, labels = augment(image, class_map, augmentation, RANGE, seed=1)
    gone = labels != class_map
    assert gone.any()
    assert (labels[gone] == 0).all()
    np.testing.assert_allclose(changed[gone], 0.0, atol=1e-6)


def test_nothing_is_done_with_probability_0(patch):
    image, class_map = patch
    augmentation = build_augmentation({"contrast": 0.0, "dropout": 0.0}, RANGE)
    changed, labels = augment(image, class_map, augmentation, RANGE, seed=1)
    np.testing.assert_allclose(changed, image, atol=1e-6)  # there and back in float32
    np.testing.assert_array_equal(labels, class_map)


def test_a_seed_is_an_augmentation(patch):
    names = {"contrast": 0.7, "gamma": 0.7, "blur": 0.7, "dropout": 0.7}
    one, other = (build_augmentation(names, RANGE) for _ in range(2))
    first = [augment(*patch, one, RANGE, seed=seed)[0] for seed in (1, 2, 3)]
    for seed in (3, 1):
        np.testing.assert_array_equal(augment(*patch, other, RANGE, seed=seed)[0], first[seed - 1])
    assert not np.array_equal(first[0], first[1])


def test_unknown_augmentations_are_refused():
    with pytest.raises(ConfigError, match=r"no augmentation blurr.*contrast, gamma, blur"):
        build_augmentation({"blurr": 0.5}, RANGE)


@pytest.mark.parametrize("seed", range(12))
def test_a_mirrored_border_is_ignored(seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(60, 60)).astype(np.float32)
    class_map = rng.integers(0, 2, (60, 60)).astype(np.uint8)
    mirrored, labels = mirror_border(image, class_map, rng, deepest_px=20)
    strip = labels == IGNORED
    # The strip lies along one border, is 1 to 20 px deep, and nothing else changed.
    rows, columns = strip.all(axis=1), strip.all(axis=0)
    depth = max(int(rows.sum()), int(columns.sum())) if not strip.all() else 0
    assert 1 <= depth <= 20
    assert strip.sum() == 60 * depth
    np.testing.assert_array_equal(mirrored[~strip], image[~strip])
    np.testing.assert_array_equal(labels[~strip], class_map[~strip])
    for turn in range(4):
        if np.rot90(strip, turn)[0].all() and not np.rot90(strip, turn)[-1].all():
            turned, original = np.rot90(mirrored, turn), np.rot90(image, turn)
            np.testing.assert_array_equal(turned[:depth], original[depth : 2 * depth][::-1])
            break
    else:
        pytest.fail("the strip is along no border")


def test_the_network_is_never_asked():
    """Building an augmentation in a fresh process opens no connection and says that it must not."""
    code = (
        "import os, socket, sys\n"
        "def refuse(*_, **__): raise SystemExit('asked the network')\n"
        "socket.getaddrinfo = socket.socket.connect = refuse\n"
        "from scanseg.bundle import Normalisation\n"
        "from scanseg.train.augment import build_augmentation\n"
        "assert 'albumentations' not in sys.modules\n"
        "build_augmentation({'blur': 0.5}, Normalisation())\n"
        "assert 'albumentations' in sys.modules\n"
        "assert os.environ['NO_ALBUMENTATIONS_UPDATE'] == '1'\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    run = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr
