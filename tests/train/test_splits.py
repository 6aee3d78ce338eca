"""Whole images and series are held out, the same ones everywhere."""

from dataclasses import dataclass

import pytest

from scanseg.train.splits import split_images


@dataclass(frozen=True)
class Named:
    name: str
    series: str = ""
    sha256: str = ""


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
