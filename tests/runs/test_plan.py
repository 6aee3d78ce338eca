"""Which files a run takes, and where their results go."""

from __future__ import annotations

import os

import pytest

from scanseg.errors import ConfigError
from scanseg.runs.plan import find_inputs


def _touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def _names(plan):
    return [file.name for file in plan.files]


def test_folders_are_searched_in_depth_and_names_keep_the_extension(tmp_path):
    for name in ("b.tif", "a/b.tif", "a/b.dm4", "a/.cache/x.tif", ".DS_Store", "Thumbs.db"):
        _touch(tmp_path / "in" / name)
    plan = find_inputs([tmp_path / "in"], output=tmp_path / "out")
    assert _names(plan) == ["a/b.dm4", "a/b.tif", "b.tif"]
    assert not plan.skipped


def test_the_truth_of_an_image_is_no_image(tmp_path):
    for name in ("scan.tif", "scan_class_map.tif", "lone_class_map.tif", "scan_2.tif"):
        _touch(tmp_path / name)
    plan = find_inputs([tmp_path], output=tmp_path / "out")
    # A map whose image is not there may be somebody's image.
    assert _names(plan) == ["lone_class_map.tif", "scan.tif", "scan_2.tif"]
    assert [each.path.name for each in plan.skipped] == ["scan_class_map.tif"]


def test_same_names_from_two_folders_do_not_meet(tmp_path):
    for name in ("one/scan.tif", "two/scan.tif", "two/other.tif", "three/one/scan.tif"):
        _touch(tmp_path / name)
    roots = [tmp_path / "one", tmp_path / "two", tmp_path / "three" / "one"]
    plan = find_inputs(roots, output=tmp_path / "out")
    names = _names(plan)
    assert len({name.lower() for name in names}) == 4
    assert "other.tif" in names
    assert "two/scan.tif" in names
    # Both other roots are called "one": a checksum of the place tells them apart, and does not
    # change with the order in which they are named.
    again = find_inputs(roots[::-1], output=tmp_path / "out")
    assert {f.path: f.name for f in again.files} == {f.path: f.name for f in plan.files}


def test_a_file_named_twice_is_taken_once(tmp_path):
    path = _touch(tmp_path / "in" / "a.tif")
    assert _names(find_inputs([path, tmp_path / "in", path], output=tmp_path / "o")) == ["a.tif"]


def test_a_name_of_an_earlier_run_is_not_given_to_another_file(tmp_path):
    first = _touch(tmp_path / "one" / "a.tif")
    _touch(tmp_path / "two" / "a.tif")
    plan = find_inputs([tmp_path / "two"], output=tmp_path / "o", taken={"a.tif": first}.get)
    assert _names(plan) == ["two/a.tif"]
    first.unlink()  # moved: its name is free
    plan = find_inputs([tmp_path / "two"], output=tmp_path / "o", taken={"a.tif": first}.get)
    assert _names(plan) == ["a.tif"]


def test_a_named_file_is_tried_whatever_its_extension(tmp_path):
    plan = find_inputs([_touch(tmp_path / "data.csv")], output=tmp_path / "out")
    assert _names(plan) == ["data.csv"]
    assert plan.files[0].expected


def test_files_with_the_extension_of_a_known_format_are_expected(tmp_path):
    known = ".di .dm4 .gsf .h5-jpk .ibw .jpk .mi .nid .ser .spm .stp .sxm .tif .top .topostats"
    for suffix in (*known.split(), ".odd", ""):
        _touch(tmp_path / f"scan{suffix}")
    plan = find_inputs([tmp_path], output=tmp_path / "out")
    unexpected = [file.name for file in plan.files if not file.expected]
    assert unexpected == ["scan", "scan.odd"]


def test_a_file_called_like_a_table_of_the_run_gets_another_folder(tmp_path):
    plan = find_inputs([_touch(tmp_path / "in" / "atoms.csv")], output=tmp_path / "out")
    assert _names(plan) == ["in/atoms.csv"]


def test_the_output_folder_is_not_searched(tmp_path):
    _touch(tmp_path / "a.tif")
    _touch(tmp_path / "out" / "a.tif" / "class_map.tif")
    assert _names(find_inputs([tmp_path], output=tmp_path / "out")) == ["a.tif"]


def test_links_in_circles_end(tmp_path):
    _touch(tmp_path / "in" / "a.tif")
    try:
        os.symlink(tmp_path / "in", tmp_path / "in" / "self")
    except OSError:
        pytest.skip("no symbolic links here")
    assert _names(find_inputs([tmp_path / "in"], output=tmp_path / "out")) == ["a.tif"]


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="as root")
def test_a_folder_that_may_not_be_opened_is_said(tmp_path):
    _touch(tmp_path / "in" / "a.tif")
    closed = tmp_path / "in" / "closed"
    closed.mkdir(mode=0)
    plan = find_inputs([tmp_path / "in"], output=None)
    assert _names(plan) == ["a.tif"]
    assert [each.path for each in plan.skipped] == [closed]
    with pytest.raises(ConfigError, match="cannot be opened"):
        find_inputs([closed], output=None)


def test_names_that_are_not_unicode_are_made_so(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff\n.tif"
    try:
        with open(path, "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("this file system takes no such names")
    (file,) = find_inputs([tmp_path], output=tmp_path / "out").files
    assert file.name.encode("utf-8").isascii()
    assert "\n" not in file.name


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        find_inputs([tmp_path / "nowhere"], output=tmp_path / "out")
