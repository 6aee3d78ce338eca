"""Parts of a run: together they give what one run gives."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from scanseg.errors import ConfigError
from scanseg.runs.folder import RunFolder
from scanseg.runs.publish import publish
from scanseg.runs.shards import Shard
from scanseg.runs.summary import write_summary

PART = """
import importlib.util, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("conftest_of_runs", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
bench = module.Bench(Path(sys.argv[2]), Path(sys.argv[3]))
finder = module.SpotFinder(before=lambda image: time.sleep(0.02))
bench.run(finder, shard=module.Shard.parse(sys.argv[4]))
"""


def test_every_image_is_in_one_part_and_stays_there():
    names = [f"day{day}/scan_{index}.dm4" for day in range(4) for index in range(100)]
    parts = [{name for name in names if Shard(index, 7).takes(name)} for index in range(1, 8)]
    assert sum(map(len, parts)) == len(names)
    assert set().union(*parts) == set(names)
    # 400 names over 7 parts: 57 each, of which 5 standard deviations of a binomial leave half.
    assert min(map(len, parts)) > 22


def test_two_processes_give_the_tables_of_one(bench, tools, request):
    for index in range(14):
        tools.write_tiff(bench.images / f"{index:02d}.tif", tools.spots(offset=index % 5))
    (bench.images / "broken.tif").write_bytes(b"")
    (bench.images / "notes.txt").write_text("x")
    bench.run()
    expected = bench.files()
    skipped = json.loads((bench.output / "run.json").read_text())["skipped"]
    bench.output = bench.output.with_name("parts") / "out"
    helper = request.path.with_name("conftest.py")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PART, helper, bench.images, bench.output, part],
            stderr=subprocess.PIPE,
        )
        for part in ("1/2", "2/2")
    ]
    assert [process.communicate()[1] for process in processes] == [b"", b""]
    lines = [len(path.read_text().splitlines()) for path in bench.output.glob("manifest.*.jsonl")]
    assert sum(lines) == 15
    assert min(lines) > 0
    with RunFolder(bench.output) as folder:
        write_summary(folder)
        publish(folder)
        record = folder.record()
    assert without_times(bench.files()) == without_times(expected)
    assert record["finished"]
    assert record["skipped"] == skipped
    assert [each["image"] for each in record["inputs"]] == sorted(
        [*(f"{index:02d}.tif" for index in range(14)), "broken.tif"]
    )
    assert {path.name for path in bench.output.glob("[.mr]*")} == {
        "manifest.jsonl",
        "report.html",
        "run.json",
    }
    assert bench.run().n_kept == 14


def without_times(files):
    def plain(name, content):
        if name == "images.csv":
            return [line.rsplit(b",", 1)[0] for line in content.splitlines()]
        if name == "report.html":
            return re.sub(rb'<section id="run".*?</section>', b"", content, flags=re.DOTALL)
        return content

    return {name: plain(name, content) for name, content in files.items()}


def test_parts_run_beside_each_other_and_a_whole_run_alone(bench):
    first, second = Shard(1, 2).label, Shard(2, 2).label
    with RunFolder(bench.output, part=first), RunFolder(bench.output, part=second):
        with pytest.raises(ConfigError, match="Another run"):
            RunFolder(bench.output)
        with pytest.raises(ConfigError, match="Another run"):
            RunFolder(bench.output, part=first)
        assert (bench.output / ".scanseg-lock").exists()
    assert not list(bench.output.glob(".*"))
    with RunFolder(bench.output), pytest.raises(ConfigError, match="Another run"):
        RunFolder(bench.output, part=first)
    with RunFolder(bench.output, part=second):
        pass


def test_what_a_killed_part_has_left_is_removed_by_the_whole(bench):
    with RunFolder(bench.output, part="1-of-2") as part:
        scratch = part.scratch
    (scratch / "image").mkdir(parents=True)
    (scratch / "image" / "atoms.csv").write_text("half")
    with RunFolder(bench.output):
        assert not scratch.exists()


def test_fresh_removes_the_files_of_parts(bench, tools):
    tools.write_tiff(bench.images / "a.tif", tools.spots())
    bench.run(shard=Shard(1, 1))
    assert (bench.output / "manifest.1-of-1.jsonl").exists()
    assert bench.run(fresh=True).n_done == 1
    assert not list(bench.output.glob("*-of-*"))
