"""Whole images and series are held out, the same ones everywhere."""

from dataclasses import dataclass

import numpy as np
import pytest

from scanseg.errors import ConfigError
from scanseg.train.splits import fold_images, split_images
from scanseg.train.thumbprint import thumbprint_of


@dataclass(frozen=True)
class Named:
    name: str
    series: str = ""
    sha256: str = ""
    thumbprint: object = None


def images(n, series=""):
    return [Named(f"{series}{number}.tif", series, f"{series}{number}") for number in range(n)]


@pytest.mark.parametrize(("n", "held_out"), [(2, 1), (5, 1), (10, 2), (40, 8)])
def test_a_fifth_is_held_out_and_one_at_least(n, held_out):
    split = split_images(images(n), held_out=0.2, seed=1)
    assert len(split.held_out) == held_out
    assert not set(split.training) & set(split.held_out)
    assert len(split.training) + held_out == n
    assert f"held out {held_out}" in split.statement


def test_the_order_of_files_does_not_matter_and_the_seed_does():
    ten = images(10)
    splits = [split_images(ten[::step], held_out=0.3, seed=1) for step in (1, -1)]
    assert splits[0] == splits[1]
    assert any(split_images(ten, held_out=0.3, seed=s) != splits[0] for s in range(2, 6))


def test_of_one_image_nothing_is_held_out():
    split = split_images(images(1), held_out=0.2, seed=1)
    assert split.held_out == ()
    assert "Nothing is held out" in split.statement


def test_series_stay_together():
    many = [*images(4, "a"), *images(3, "b"), *images(5, "c")]
    split = split_images(many, held_out=0.25, seed=3)
    assert split.by == "series"
    for series in "abc":
        members = {each.name for each in many if each.series == series}
        assert members <= set(split.training) or members <= set(split.held_out)
    assert split.held_out


def test_copies_stay_together():
    for seed in range(8):
        copies = [*images(5), Named("copy.tif", "", "0")]
        split = split_images(copies, held_out=0.3, seed=seed)
        assert len({"0.tif", "copy.tif"} & set(split.held_out)) in (0, 2)


def test_in_folds_every_image_is_held_out_once_and_series_stay_together():
    many = [*images(4, "a"), *images(3, "b"), *images(5, "c"), *images(1, "d")]
    splits = fold_images(many, folds=3, seed=1)
    held = [name for split in splits for name in split.held_out]
    assert sorted(held) == sorted(each.name for each in many)
    for split in splits:
        assert {name[0] for name in split.held_out}.isdisjoint(name[0] for name in split.training)
    with pytest.raises(ConfigError, match="there are 4 series"):
        fold_images(many, folds=5, seed=1)


def test_nearly_the_same_images_stay_together():
    rng = np.random.default_rng(4)
    scene = rng.normal(size=(80, 120))
    # Another export: turned, other units, rounded, a little noise.
    export = np.rint(40 * scene[::-1].T + rng.normal(0, 4, (120, 80)) + 900)
    codes = [thumbprint_of(each) for each in (scene, export, *rng.normal(size=(6, 80, 120)))]
    named = [Named(f"{n}.tif", "", f"{n}", code) for n, code in enumerate(codes)]
    splits = [split_images(named, held_out=0.3, seed=seed) for seed in range(8)]
    assert all(len({"0.tif", "1.tif"} & set(split.held_out)) in (0, 2) for split in splits)
    assert any({"2.tif", "3.tif"} & set(split.held_out) == {"2.tif"} for split in splits)
