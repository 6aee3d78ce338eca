"""A folder that fills: what is taken when, and that the results are those of a single run."""

from __future__ import annotations

import json
import os
import threading

import pytest

from scanseg.runs.folder import RunFolder
from scanseg.runs.plan import InputFile
from scanseg.runs.settings import RunSettings
from scanseg.runs.watch import Arrivals, Pace, watch_folder

SOON = Pace(settle_s=0.02, every_s=0.01, idle_s=0.1)


def _file(path, content="x"):
    path.write_text(content)
    return InputFile(path, path.name)


def _watch(bench, processor, *, pace=SOON, stop=None, **options):
    with RunFolder(bench.output) as folder:
        return watch_folder(
            bench.images,
            folder,
            processor,
            settings=RunSettings(),
            pace=pace,
            stop=stop or threading.Event(),
            **options,
        )


def test_a_file_is_taken_when_it_has_not_changed_for_a_while(tmp_path):
    arrivals, file = Arrivals(5.0), _file(tmp_path / "a.tif")
    assert arrivals.settled([file], 0) == ()
    assert arrivals.settled([file], 4.9) == ()
    assert arrivals.n_restless == 1
    file.path.write_text("longer")  # the microscope goes on
    assert arrivals.settled([file], 5.0) == ()
    assert arrivals.settled([file], 9.9) == ()
    assert arrivals.settled([file], 10.0) == (file,)
    assert arrivals.take([file]) == (file,)
    assert arrivals.settled([file], 99.0) == ()
    assert arrivals.n_restless == 0


def test_a_file_that_changes_after_it_was_taken_is_new_again(tmp_path):
    arrivals, file = Arrivals(1.0), _file(tmp_path / "a.tif")
    arrivals.settled([file], 0)
    arrivals.take(arrivals.settled([file], 1.0))
    # Rewritten with as many bytes: only the time tells.
    os.utime(file.path, ns=(1, 1))
    assert arrivals.settled([file], 2.0) == ()
    assert arrivals.settled([file], 3.0) == (file,)


def test_the_note_beside_a_file_counts_and_a_file_that_went_does_not(tmp_path):
    from scanseg.readers import sidecar_of

    arrivals, file, gone = Arrivals(1.0), _file(tmp_path / "a.tif"), _file(tmp_path / "b.tif")
    arrivals.settled([file, gone], 0)
    settled = arrivals.settled([file, gone], 1.0)
    assert settled == (file, gone)
    gone.path.unlink()
    assert arrivals.take(settled) == (file,)
    assert arrivals.settled([file, gone], 2.0) == ()
    sidecar_of(file.path).write_text("pixel_size_nm: 0.1\n")
    arrivals.settled([file], 3.0)
    assert arrivals.settled([file], 4.0) == (file,)


def test_results_are_those_of_one_run_over_the_full_folder(bench, tools, tmp_path):
    names = iter(["b.tif", "day2/c.tif", "a.tif"])

    def next_one(event):
        if event["event"] == "image" and (name := next(names, None)) is not None:
            tools.write_tiff(bench.images / name, tools.spots(offset=len(name)))

    tools.write_tiff(bench.images / "first.tif", tools.spots())
    result = _watch(bench, tools.SpotFinder(), observe=next_one, command=("scanseg", "watch"))
    assert (result.n_done, result.n_kept, result.n_failed) == (4, 0, 0)
    assert result.found["atoms"].n_images == 4
    assert result.n_objects == len(bench.table("atoms.csv"))
    assert not result.interrupted
    record = json.loads((bench.output / "run.json").read_text())
    inputs = ["first.tif", "b.tif", "day2/c.tif", "a.tif"]
    assert [each["image"] for each in record["inputs"]] == inputs
    assert record["finished"] >= record["started"]
    watched = bench.files()
    bench.output = tmp_path / "at-once"
    bench.run()
    at_once = bench.files()
    changing = {"report.html", "images.csv"}  # hold times
    assert watched.keys() == at_once.keys()
    assert {name for name in watched if watched[name] != at_once[name]} <= changing


def test_the_report_follows_every_batch(bench, tools):
    pages = []

    def look(event):
        if event["event"] != "image":
            return
        report = bench.output / "report.html"
        pages.append(report.read_text() if report.exists() else "")
        if len(pages) == 1:
            tools.write_tiff(bench.images / "second.tif", tools.spots())

    tools.write_tiff(bench.images / "first.tif", tools.spots())
    _watch(bench, tools.SpotFinder(), observe=look)
    assert "first.tif" not in pages[0]
    assert "first.tif" in pages[1]
    assert "second.tif" in (bench.output / "report.html").read_text()


def test_a_half_written_file_fails_and_is_done_when_it_is_whole(bench, tools, tmp_path):
    whole = tools.write_tiff(tmp_path / "whole.tif", tools.spots()).read_bytes()
    part = bench.images / "a.tif"
    part.write_bytes(whole[:100])  # the copy pauses for longer than files are given to settle
    failed = []

    def go_on(event):
        if event["event"] == "image" and event["error"]:
            failed.append(event["image"])
            part.write_bytes(whole)

    result = _watch(bench, tools.SpotFinder(), observe=go_on)
    assert failed == ["a.tif"]
    assert (result.n_done, result.n_failed) == (1, 0)
    assert bench.table("failures.csv").empty


def test_a_file_that_goes_while_it_is_read_is_nobodys_failure(bench, tools, monkeypatch):
    tools.write_tiff(bench.images / "a.tif", tools.spots())
    tools.write_tiff(bench.images / "b.tif", tools.spots())

    def remove(file, settings):
        from scanseg.readers import read

        (bench.images / "b.tif").unlink(missing_ok=True)
        return read(file.path)

    # Both are in one batch; b is gone before its turn.
    pace = Pace(settle_s=0.05, every_s=0.01, idle_s=0.2)
    monkeypatch.setattr("scanseg.runs.execute.read_file", remove)
    result = _watch(bench, tools.SpotFinder(), pace=pace)
    assert (result.n_done, result.n_failed) == (1, 0)
    assert bench.table("failures.csv").empty


def test_a_folder_out_of_reach_is_waited_for(bench, tools, tmp_path):
    tools.write_tiff(bench.images / "a.tif", tools.spots())
    away = tmp_path / "away"

    def unplug(event):
        if event["event"] == "image" and event["image"] == "a.tif":
            bench.images.rename(away)
            tools.write_tiff(away / "b.tif", tools.spots())
            threading.Timer(0.15, lambda: away.rename(bench.images)).start()

    pace = Pace(settle_s=0.02, every_s=0.01, idle_s=0.6)
    result = _watch(bench, tools.SpotFinder(), pace=pace, observe=unplug)
    assert (result.n_done, result.n_failed) == (2, 0)


def test_stopping_leaves_a_state_that_goes_on(bench, tools):
    stop = threading.Event()
    for name in "abcdef":
        tools.write_tiff(bench.images / f"{name}.tif", tools.spots())
    finder = tools.SpotFinder(before=lambda image: stop.set())
    result = _watch(bench, finder, stop=stop)
    assert result.interrupted
    assert 0 < result.n_done < 6
    assert "a.tif" in (bench.output / "report.html").read_text()
    assert not list(bench.output.glob(".scanseg*"))
    again = _watch(bench, tools.SpotFinder())
    assert (again.n_done + again.n_kept, again.n_failed) == (6, 0)
    assert again.n_kept == result.n_done


def test_it_ends_after_its_time_although_a_file_never_rests(bench, tools):
    bench.images.joinpath("a.tif").write_text("x")
    result = _watch(bench, tools.SpotFinder(), pace=Pace(settle_s=9, every_s=0.01, for_s=0.05))
    assert (result.n_done, result.n_failed, result.interrupted) == (0, 0, False)
    assert result.seconds == pytest.approx(0.05, abs=1)  # no hurry, but not the 9 s


def test_an_earlier_run_is_kept(bench, tools):
    tools.write_tiff(bench.images / "a.tif", tools.spots())
    bench.run()
    finder = tools.SpotFinder()
    assert _watch(bench, finder).n_kept == 1
    assert finder.seen == []
